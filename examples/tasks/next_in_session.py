"""A custom task in one file: next-item prediction within sessions.

Name it in a run's file as ``task.name = "next_in_session:NextInSession"``, with this file's folder on ``PYTHONPATH``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.tasks import Examples, Feedback
from shortstack.tasks.evaluation import EvaluationRequest, TaskEvaluation
from shortstack.tasks.interactions import InteractionFeedback
from shortstack.tasks.next_item import NextItem

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray
    from torch import Tensor

    from shortstack.config.run_tables import DataSettings
    from shortstack.contracts import Records
    from shortstack.contracts.headlines import Headlines
    from shortstack.data.catalogue import Catalogue
    from shortstack.data.interactions import Fact
    from shortstack.data.sequences import Sequences, SplitName

_HOUR = 3_600_000


@attrs.frozen(kw_only=True)
class NextInSession:
    """Windows over sessions: a user's interactions, cut wherever none came for some time.

    Attributes:
        window: Largest number of items of a session that the model sees.
        pause_hours: Hours of a pause beyond which a session ends.
    """

    window: int = attrs.field(default=20, validator=attrs.validators.ge(1))
    pause_hours: float = attrs.field(default=1.0, validator=attrs.validators.gt(0.0))

    @property
    def longest(self) -> int:
        """Largest number of tokens of an example: the window and its target."""
        return self._examples.longest

    @property
    def reads(self) -> Feedback:
        """Interactions, with sessions in place of users."""
        return Sessions(pause_hours=self.pause_hours)

    def training_examples(self, sequences: "Sequences", catalogue: "Catalogue") -> Examples:
        """Return windows of every session's training items."""
        return self._examples.training_examples(sequences, catalogue)

    def calibration_examples(
        self, sequences: "Sequences", catalogue: "Catalogue", *, count: int = 256, seed: int = 0
    ) -> Examples:
        """Return the most recent training window of a seeded sample of sessions."""
        return self._examples.calibration_examples(sequences, catalogue, count=count, seed=seed)

    def candidates(self, catalogue: "Catalogue") -> "Tensor":
        """Return the token of each item, int64 ``(items,)``."""
        return self._examples.candidates(catalogue)

    @property
    def _examples(self) -> NextItem:
        return NextItem(window=self.window)


@attrs.frozen(kw_only=True)
class Sessions:
    """Interactions with sessions in place of users; all else as in ``InteractionFeedback``."""

    pause_hours: float
    _whole: Feedback = attrs.field(factory=InteractionFeedback, init=False)

    @property
    def name(self) -> str:
        """Name with the pause, for other pauses prepare other data."""
        return f"sessions-{self.pause_hours}"

    @property
    def tables(self) -> tuple[str, ...]:
        """Tables of items and interactions."""
        return self._whole.tables

    @property
    def headlines(self) -> "Headlines":
        """Metrics of rankings of the catalogue."""
        return self._whole.headlines

    @property
    def rates(self) -> bool:
        """False, for items are ranked."""
        return False

    def check(self, settings: "DataSettings", task: str) -> None:
        """Check the settings as for all interactions."""
        self._whole.check(settings, task)

    def prepare(self, records: "Records", settings: "DataSettings", *, seed: int, folder: Path) -> "Mapping[str, Fact]":
        """Split users into sessions, then prepare these as users."""
        sessions = attrs.evolve(records, interactions=self._cut(records.interactions))
        return self._whole.prepare(sessions, settings, seed=seed, folder=folder)

    def history_lengths(self, folder: Path, split: "SplitName") -> "NDArray[np.int64]":
        """Return the number of a session's items before each case."""
        return self._whole.history_lengths(folder, split)

    def evaluation(self, request: EvaluationRequest) -> TaskEvaluation:
        """Build the evaluation that ranks the catalogue for the last items of each session."""
        return self._whole.evaluation(request)

    def _cut(self, interactions: "pl.LazyFrame") -> "pl.LazyFrame":
        import polars as pl

        ordered = interactions.lazy().sort("user", "timestamp", maintain_order=True)
        starts = pl.col("timestamp").diff() > self.pause_hours * _HOUR
        number = starts.fill_null(value=False).cum_sum().over("user")
        return ordered.with_columns(user=pl.format("{}/{}", "user", number))
