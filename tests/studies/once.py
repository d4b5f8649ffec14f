"""A callback of trainings that ends a process once, in the midst of a training, after a checkpoint."""

import os
import signal
import threading
from pathlib import Path

from transformers import TrainerCallback

FOLDER, VICTIM, SIGNAL = "ONCE_FOLDER", "ONCE_VICTIM", "ONCE_SIGNAL"
"""Environment variables: where it writes; ``self`` or ``parent``; the signal's number."""
STEP = 3
"""The step after which it acts: there is a checkpoint of step 2."""


class Once(TrainerCallback):
    """Writes down each step; at one it sends a signal, unless one was sent before."""

    def on_step_end(self, args, state, control, **others):
        """Write down the step; end the process that is meant."""
        folder = Path(os.environ[FOLDER])
        with (folder / "steps").open("a", encoding="utf-8") as steps:
            steps.write(f"{state.global_step}\n")
        if state.global_step != STEP or (folder / "sent").exists():
            return
        (folder / "sent").touch()
        own = os.environ[VICTIM] == "self"
        os.kill(os.getpid() if own else os.getppid(), int(os.environ.get(SIGNAL, signal.SIGKILL)))
        threading.Event().wait()  # only a signal, or the end of the parent, ends this


def steps(folder):
    """Return the steps that were done, in order."""
    return [int(line) for line in (folder / "steps").read_text(encoding="utf-8").split()]
