"""Impressions: the items that users were shown and those that they clicked; the shown items are ranked."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.contracts.headlines import CLICK_HEADLINES, Headlines
from shortstack.errors import ConfigurationError
from shortstack.run_layout import IMPRESSIONS, SEQUENCES
from shortstack.tasks.evaluation import EvaluationRequest, TaskEvaluation
from shortstack.tasks.interactions import TRAINED, check_preparation, further_baselines, ranking_baselines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shortstack.config.run_tables import DataSettings
    from shortstack.contracts import Records
    from shortstack.data.interactions import Fact
    from shortstack.data.sequences import SplitName

# the values at which a setting filters nothing
_UNFILTERED: Final[Mapping[str, object]] = {
    "core": 0,
    "min_rating": None,
    "since": None,
    "until": None,
    "sample_users": None,
    "last_n": None,
    "duplicates": "keep",
}


@attrs.frozen
class ImpressionFeedback:
    """Shown and clicked items of each impression. Baselines are popularity, item-KNN and Markov."""

    name: str = "impressions"
    tables: tuple[str, ...] = ("items", "impressions")
    headlines: Headlines = CLICK_HEADLINES
    rates: bool = False

    def check(self, settings: "DataSettings", task: str) -> None:
        """Check that no setting filters impressions, which are ranked as they were shown.

        Raises:
            ConfigurationError: A setting filters them, or has no use here.
        """
        for name, value in _UNFILTERED.items():
            if getattr(settings, name) != value:
                raise ConfigurationError(
                    f"the task {task!r} ranks what was shown, so nothing of it may be filtered away: set data.{name} = "
                    f"{'none' if value is None else repr(value)}, not {getattr(settings, name)!r}"
                )
        if settings.split not in {"global-time", "official"}:
            raise ConfigurationError(
                f"the task {task!r} divides impressions by 'global-time' or 'official': set data.split"
            )
        for name in ("valid_share", "test_share"):
            if getattr(settings, name) is not None:
                raise ConfigurationError(f"the task {task!r} has no use for data.{name}; leave it out")
        if settings.order != "time":
            raise ConfigurationError(f"the task {task!r} orders impressions by their times; leave data.order out")
        check_preparation(settings)

    def prepare(self, records: "Records", settings: "DataSettings", *, seed: int, folder: Path) -> "Mapping[str, Fact]":
        """Write the impressions, each reader's history, and the catalogue."""
        from shortstack.data.impression_dataset import Shown

        shown = Shown.from_records(records, split=settings.split, seed=seed)
        shown.impressions.save(folder / IMPRESSIONS)
        shown.sequences.save(folder / SEQUENCES)
        shown.catalogue.save(folder)
        return shown.facts

    def history_lengths(self, folder: Path, split: "SplitName") -> "NDArray[np.int64]":
        """Return the number of items that the reader of each impression of a split had read before."""
        import numpy as np

        from shortstack.data.impressions import Impressions

        return np.diff(Impressions.load(folder / IMPRESSIONS).of(split).read_offsets)

    def evaluation(self, request: EvaluationRequest) -> TaskEvaluation:
        """Build the evaluation that ranks the shown items of each impression."""
        from shortstack.data.catalogue import Catalogue
        from shortstack.data.impressions import Impressions, shown_by_user
        from shortstack.data.sequences import Sequences
        from shortstack.data.user_keys import user_keys
        from shortstack.evaluation.custom import CLICKS, custom_metrics, of_form
        from shortstack.evaluation.impressions import ImpressionEvaluator

        evaluator = ImpressionEvaluator(
            resamples=request.settings.resamples,
            seed=request.seed,
            metrics=of_form(custom_metrics(request.settings.metrics), CLICKS),
            world=request.world,
        )
        sequences = Sequences.load(request.folder / SEQUENCES)
        everything = Impressions.load(request.folder / IMPRESSIONS)
        impressions = everything.of(request.split)
        return TaskEvaluation(
            headlines=self.headlines,
            evaluate=lambda ranker: evaluator.evaluate(ranker, impressions),
            baselines=ranking_baselines(sequences, "exclude"),
            further=further_baselines(sequences, "exclude"),
            trained=TRAINED,
            candidate=lambda model: model.ranker(),
            answer=lambda ranker, rows: ranker.scores([impressions.history(row) for row in rows]),
            cases=len(impressions),
            fit=lambda baseline: baseline(sequences, "valid"),
            user_keys=lambda: user_keys(*shown_by_user(everything), Catalogue.load(request.folder)),
        )
