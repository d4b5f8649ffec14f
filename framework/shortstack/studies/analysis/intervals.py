"""What the intervals of a study are, in words."""

from shortstack.studies.analysis.summary import Summary


def intervals_in_words(summary: Summary) -> str:
    """Say what the intervals of the tables are."""
    if summary.kept:
        over = (
            "users and seeds together" if summary.seeds > 1 else "users; trainings with other seeds may differ by more"
        )
        return f"Intervals are 95%, over {over}."
    if summary.seeds > 1:
        return "Means over the seeds, with the lowest and the highest seed; a setting of one run has its 95% interval over users."
    return "One run each; intervals are 95%, bootstrapped over test users."
