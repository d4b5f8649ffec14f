"""Interactions (implicit feedback): the items that users chose, in order; the whole catalogue is ranked."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from shortstack.contracts.headlines import HEADLINE_CUTOFF, RANKING_HEADLINES, Headlines
from shortstack.run_layout import SASREC, SEQUENCES
from shortstack.tasks.evaluation import EvaluationRequest, TaskEvaluation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shortstack.config.run_tables import DataSettings
    from shortstack.contracts import Records
    from shortstack.data.interactions import Fact, Interactions
    from shortstack.data.sequences import Seen, Sequences, SplitName
    from shortstack.data.splits import Split

TRAINED: Final = (SASREC,)
"""Baselines of all ranking tasks that a stage of their own trains."""
_NOT_OF_ROWS: Final = frozenset({"source", "adapter", "settings", "split", "valid_share", "test_share"})


@attrs.frozen
class InteractionFeedback:
    """Chosen items. Baselines are popularity, item-KNN and Markov, and personal popularity where seen items are candidates."""

    name: str = "interactions"
    tables: tuple[str, ...] = ("items", "interactions")
    headlines: Headlines = RANKING_HEADLINES
    rates: bool = False

    def check(self, settings: "DataSettings", task: str) -> None:  # noqa: ARG002 -- the form of a feedback
        """Check the settings of preparation and split."""
        check_preparation(settings)

    def prepare(self, records: "Records", settings: "DataSettings", *, seed: int, folder: Path) -> "Mapping[str, Fact]":
        """Write each user's items, divided into training, validation and test, and the catalogue."""
        from shortstack.data.splits import split

        interactions, rule = prepared(records, settings, seed)
        split(interactions, rule).save(folder / SEQUENCES)
        interactions.catalogue().save(folder)
        return interactions.facts()

    def history_lengths(self, folder: Path, split: "SplitName") -> "NDArray[np.int64]":
        """Return the number of a user's items before each interaction of a split."""
        return sequence_lengths(folder, split)

    def evaluation(self, request: EvaluationRequest) -> TaskEvaluation:
        """Build the evaluation that ranks the catalogue for each case."""
        from shortstack.data.catalogue import Catalogue
        from shortstack.data.sequences import Sequences
        from shortstack.data.user_keys import user_keys
        from shortstack.evaluation.custom import RANKS, SCORES, custom_metrics, of_form
        from shortstack.evaluation.evaluator import RecommendationEvaluator
        from shortstack.evaluation.slices import Slices

        sequences, settings = Sequences.load(request.folder / SEQUENCES), request.settings
        evaluator = RecommendationEvaluator(
            cutoffs=settings.cutoffs if request.in_full else (HEADLINE_CUTOFF,),
            protocol=settings.protocol if request.in_full else "full",
            seen=request.seen,
            resamples=settings.resamples,
            seed=request.seed,
            slices=Slices.fit(sequences) if request.in_full else None,
            metrics=of_form(custom_metrics(settings.metrics), RANKS, SCORES),
            world=request.world,
        )
        cases = sequences.cases(request.split)
        evaluator.rows(cases)  # none at all is an error, and better now than after a training
        return TaskEvaluation(
            headlines=self.headlines,
            evaluate=lambda ranker: evaluator.evaluate(ranker, cases),
            baselines=ranking_baselines(sequences, request.seen),
            further=further_baselines(sequences, request.seen),
            trained=TRAINED,
            candidate=lambda model: model.ranker(),
            answer=lambda ranker, rows: ranker.scores([cases.history(row) for row in rows]),
            cases=len(cases),
            seen=request.seen,
            fit=lambda baseline: baseline(sequences, "valid"),
            user_keys=lambda: user_keys(sequences.items, sequences.offsets, Catalogue.load(request.folder)),
        )


def sequence_lengths(folder: Path, split: "SplitName") -> "NDArray[np.int64]":
    """Return the number of a user's items before each interaction of a split, of the sequences in a folder."""
    from shortstack.data.sequences import Sequences

    cases = Sequences.load(folder / SEQUENCES).cases(split)
    return cases.stops - cases.starts


def check_preparation(settings: "DataSettings") -> None:
    """Check the settings of preparation and split of interactions.

    Raises:
        ConfigurationError: One setting of ``[data]`` is not allowed, or does not go with another.
    """
    from shortstack.data.preparation import Preparation
    from shortstack.data.splits import check_order, named_split

    Preparation(**preparation(settings, seed=0))
    check_order(named_split(settings.split, valid=settings.valid_share, test=settings.test_share), settings.order)


def preparation(settings: "DataSettings", *, seed: int) -> dict[str, Any]:
    """Return the arguments of ``shortstack.data.preparation.Preparation``."""
    return {"seed": seed, **{name: value for name, value in attrs.asdict(settings).items() if name not in _NOT_OF_ROWS}}


def prepared(records: "Records", settings: "DataSettings", seed: int) -> "tuple[Interactions, Split]":
    """Return the filtered interactions, and the rule that splits them."""
    from shortstack.data.interactions import Interactions
    from shortstack.data.splits import named_split

    rule = named_split(settings.split, valid=settings.valid_share, test=settings.test_share, seed=seed)
    return Interactions.from_records(records, **preparation(settings, seed=seed)), rule


def ranking_baselines(sequences: "Sequences", seen: "Seen") -> dict[str, Callable[[], Any]]:
    """Return the baselines of all ranking tasks; personal popularity is among them where seen items are candidates."""
    from shortstack.evaluation.baselines import ItemKNN, Markov, PersonalPopularity, Popularity

    personal = {"personal-popularity": PersonalPopularity.fit} if seen == "include" else {}
    fits: dict[str, Callable[..., Any]] = {
        "popularity": Popularity.fit,
        **personal,
        "item-knn": ItemKNN.fit,
        "markov": Markov.fit,
    }
    return {name: partial(fit, sequences, "valid") for name, fit in fits.items()}


def further_baselines(sequences: "Sequences", seen: "Seen") -> dict[str, Callable[[], Any]]:
    """Return the baselines of all ranking tasks that take longer, and are evaluated by name only."""
    from shortstack.evaluation.ease import EASE

    return {"ease": partial(EASE.tuned, sequences, "valid", seen=seen)}
