"""Kinds of user feedback: a task's kind decides how a run prepares and evaluates its data, and with which baselines."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from shortstack.contracts.headlines import Headlines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shortstack.config.run_tables import DataSettings
    from shortstack.contracts import Records
    from shortstack.data.interactions import Fact
    from shortstack.data.sequences import SplitName
    from shortstack.tasks.evaluation import EvaluationRequest, TaskEvaluation


Reads = Literal["interactions", "ratings", "impressions"]
"""The built-in kinds: chosen items; rated items; or shown items with the clicked ones among them."""


@runtime_checkable
class Feedback(Protocol):
    """A kind of feedback; the ``reads`` of a task is the name of a built-in one, or an object with this interface."""

    @property
    def name(self) -> str:
        """Name of the kind; part of the data stage's key, so that other kinds prepare the data anew."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of the records that are read, such as ``("items", "interactions")``."""

    @property
    def headlines(self) -> Headlines:
        """The metrics that methods are compared by."""

    @property
    def rates(self) -> bool:
        """True if the candidates are ratings, and not items."""

    def check(self, settings: "DataSettings", task: str) -> None:
        """Check that the settings of ``[data]`` go with this kind.

        Raises:
            ConfigurationError: One does not; names the setting and the task.
        """

    def prepare(self, records: "Records", settings: "DataSettings", *, seed: int, folder: Path) -> "Mapping[str, Fact]":
        """Write sequences, catalogue, and other data that the evaluation needs into a folder.

        The texts of the records are ``String`` for a feedback of one's own, whatever the adapter gave.

        Returns:
            Counts for the report.
        """

    def history_lengths(self, folder: Path, split: "SplitName") -> "NDArray[np.int64]":
        """Return the number of items before each case of a split, of what ``prepare`` wrote; estimates of time need it.

        Raises:
            EmptyDataError: The split has no cases.
        """

    def evaluation(self, request: "EvaluationRequest") -> "TaskEvaluation":
        """Build the cases, metrics and baselines of one split.

        Raises:
            EmptyDataError: The split has no cases.
        """


def feedback_of(reads: Reads | Feedback) -> Feedback:
    """Return the feedback that a task reads: a built-in kind by its name, or the task's own object."""
    from shortstack.tasks.impressions import ImpressionFeedback
    from shortstack.tasks.interactions import InteractionFeedback
    from shortstack.tasks.ratings import RatingFeedback

    if not isinstance(reads, str):
        return reads
    built_in: dict[str, Feedback] = {
        "interactions": InteractionFeedback(),
        "ratings": RatingFeedback(),
        "impressions": ImpressionFeedback(),
    }
    return built_in[reads]
