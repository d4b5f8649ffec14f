"""Ratings (explicit feedback): the items that users chose and their ratings; the ratings of the scale are the candidates."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.contracts.headlines import RATING_HEADLINES, Headlines
from shortstack.processes import ALONE
from shortstack.run_layout import SEQUENCES
from shortstack.tasks.evaluation import EvaluationRequest, TaskEvaluation
from shortstack.tasks.interactions import check_preparation, prepared, sequence_lengths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shortstack.config.run_tables import DataSettings
    from shortstack.contracts import Records
    from shortstack.data.interactions import Fact
    from shortstack.data.sequences import SplitName


@attrs.frozen
class RatingFeedback:
    """Rated items. Baselines are the most frequent rating, the global mean, and each user's mean."""

    name: str = "ratings"
    tables: tuple[str, ...] = ("items", "interactions")
    headlines: Headlines = RATING_HEADLINES
    rates: bool = True

    def check(self, settings: "DataSettings", task: str) -> None:  # noqa: ARG002 -- the form of a feedback
        """Check the settings of preparation and split."""
        check_preparation(settings)

    def prepare(self, records: "Records", settings: "DataSettings", *, seed: int, folder: Path) -> "Mapping[str, Fact]":
        """Write each user's rated items, divided into training, validation and test, and the catalogue with the ratings."""
        from shortstack.data.splits import split

        interactions, rule = prepared(records, settings, seed)
        catalogue, ratings = interactions.rated()
        split(interactions, rule, ratings).save(folder / SEQUENCES)
        catalogue.save(folder)
        return interactions.facts()

    def history_lengths(self, folder: Path, split: "SplitName") -> "NDArray[np.int64]":
        """Return the number of a user's items before each interaction of a split."""
        return sequence_lengths(folder, split)

    def evaluation(self, request: EvaluationRequest) -> TaskEvaluation:
        """Build the evaluation that predicts the rating of each case."""
        from shortstack.data.catalogue import Catalogue
        from shortstack.data.sequences import Sequences
        from shortstack.data.user_keys import user_keys
        from shortstack.evaluation.custom import RATINGS, custom_metrics, of_form
        from shortstack.evaluation.raters import ConstantRater, UserMean
        from shortstack.evaluation.ratings import RatingCases, RatingEvaluator

        sequences = Sequences.load(request.folder / SEQUENCES)
        catalogue = Catalogue.load(request.folder)
        scale = [option.value for option in catalogue.options]
        cases = RatingCases.of(sequences, scale, request.split)
        metrics = of_form(custom_metrics(request.settings.metrics), RATINGS)
        evaluator = RatingEvaluator(
            resamples=request.settings.resamples, seed=request.seed, lists=request.in_full, metrics=metrics
        )
        baselines: dict[str, Callable[[], Any]] = {
            "mode": partial(ConstantRater.mode, sequences, scale),
            "global-mean": partial(ConstantRater.mean, sequences, scale),
            "user-mean": partial(UserMean.fit, sequences, scale),
        }
        return TaskEvaluation(
            headlines=self.headlines,
            evaluate=lambda rater: evaluator.evaluate(rater, cases),
            baselines=baselines,
            candidate=lambda model: model.rater(request.world),
            answer=lambda rater, rows: attrs.evolve(rater, world=ALONE).predict(cases.at(rows)),
            cases=len(cases),
            fit=lambda baseline: baseline(sequences, scale, "valid"),
            user_keys=lambda: user_keys(sequences.items, sequences.offsets, catalogue),
        )
