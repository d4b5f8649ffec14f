"""The feedback of users that a task reads: what of the data a run prepares, evaluates on, and compares with."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from shortstack.contracts.headlines import Headlines

if TYPE_CHECKING:
    from shortstack.config.run_tables import DataSettings
    from shortstack.contracts import Records
    from shortstack.data.interactions import Fact
    from shortstack.tasks.evaluation import EvaluationRequest, TaskEvaluation


Reads = Literal["interactions", "ratings", "impressions"]
"""What users chose; the same with how they rated it; or what they were shown and what of it they chose."""


@runtime_checkable
class Feedback(Protocol):
    """A kind of feedback; a task names a built-in one in ``reads``, or gives an object of this form there."""

    @property
    def name(self) -> str:
        """What it is called where results depend on it."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of the records that are read, such as ``("items", "interactions")``."""

    @property
    def headlines(self) -> Headlines:
        """The metrics that methods are compared by."""

    @property
    def rates(self) -> bool:
        """Whether the candidates are ratings, and not items."""

    def check(self, settings: "DataSettings", task: str) -> None:
        """Refuse settings of ``[data]`` that do not go with it.

        Raises:
            ConfigurationError: One does not; names the setting and the task.
        """

    def prepare(self, records: "Records", settings: "DataSettings", *, seed: int, folder: Path) -> "Mapping[str, Fact]":
        """Write sequences, catalogue, and what else the evaluation needs into a folder.

        Returns:
            Counts, for the report.
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
