"""Progress of a run that can be looked at afterwards."""

from shortstack.progress import Silent


class Recording(Silent):
    """Progress that records the notes, and which stages ran and which were kept."""

    def __init__(self):
        self.notes, self.ran, self.left = [], [], []

    def note(self, text):
        """Record a note."""
        self.notes.append(text)

    def kept(self, stage):
        """Record a stage that was kept."""
        self.left.append(stage)

    def stage(self, stage):
        """Record a stage that runs."""
        self.ran.append(stage)
        return super().stage(stage)
