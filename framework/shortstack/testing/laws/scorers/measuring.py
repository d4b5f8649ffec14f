"""Helpers of the laws of scorers: measure importance, run folds, compare scores."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from torch import Tensor

from shortstack.contracts import FoldScorer, Importance
from shortstack.errors import ConfigurationError
from shortstack.importance.calibration import checked_batches
from shortstack.importance.measure import Objective, measured
from shortstack.importance.objectives import next_token
from shortstack.importance.sweep import sweep
from shortstack.models.decoder import Decoder
from shortstack.testing.broken import UntriedError
from shortstack.testing.comparing import assert_close, require, tolerance_for
from shortstack.testing.law import Condition
from shortstack.testing.recipes.corpora import Batching, Corpus
from shortstack.testing.recipes.models import TinyModel
from shortstack.testing.subject import Subject

PAIRS: Final = 12
"""Number of examples of a law that measures each twice or more: all laws of a scorer together take at most 40 s."""

FREE_OF_BATCHES = Condition(
    words="traits.averages_over is not 'batches'", holds=lambda subject: subject.traits.averages_over != "batches"
)
READS_DATA = Condition(
    words="traits.averages_over is not 'nothing'", holds=lambda subject: subject.traits.averages_over != "nothing"
)
A_FOLD = Condition(words="it is a fold", holds=lambda subject: isinstance(subject.build(), FoldScorer))
A_FOLD_OVER_DATA = Condition(
    words="it is a fold over data", holds=lambda subject: A_FOLD.holds(subject) and READS_DATA.holds(subject)
)

Batches = Sequence[Mapping[str, Tensor]]


def importance(
    subject: Subject, model: Any, batches: Batches, *, objective: Objective | None = None, scorer: object = None
) -> Importance:
    """Return a scorer's result for a model, without the core's validation.

    Args:
        subject: The scorer under test.
        model: A stock model.
        batches: Calibration batches.
        objective: Next-token log-probability by default.
        scorer: An existing scorer; a fresh one by default.
    """
    results = measured(
        model,
        batches,
        {subject.name: scorer or subject.settings},
        objective=objective,
        registry=subject.registry,
        # without the core's checks, which would refuse bad scores before a law can report them
        accept=lambda _name, _importance, _layers: None,
    )
    return results[subject.name]


def scores(subject: Subject, model: Any, batches: Batches, *, objective: Objective | None = None) -> Tensor:
    """Return a fresh scorer's scores of a model, float64 ``(layers,)``."""
    return importance(subject, model, batches, objective=objective).scores.double()


def one_batch(corpus: Corpus) -> Batches:
    """Return all examples in one batch, padded on the right."""
    return Batching(sizes=(len(corpus.lengths),)).batches(corpus.examples())


def require_same(subject: Subject, model: TinyModel, actual: Tensor, expected: Tensor, what: str) -> None:
    """Raise unless two sets of scores agree up to rounding.

    Ranks jump where two scores are equal up to rounding, so they are only compared for float64 models.
    """
    if subject.traits.rank_valued and model.dtype != "float64":
        raise UntriedError("ranks of a rounded model")
    require(bool(expected.isfinite().all()), f"not every score is finite: {expected.tolist()}")
    assert_close(actual, expected, tolerance_for(model.dtype), what)


def fold(scorer: FoldScorer[Any], model: Any, batches: Batches) -> Any:
    """Return the state of a fold after some batches."""
    checked = checked_batches(batches, Decoder.of(model).device)
    return sweep(model, checked, {"it": scorer}, next_token).states["it"]


def fold_scorer(subject: Subject) -> FoldScorer[Any]:
    """Return a fresh scorer, which must be a fold.

    Raises:
        ConfigurationError: It is not a fold.
    """
    scorer = subject.build()
    if not isinstance(scorer, FoldScorer):
        raise ConfigurationError(f"{subject.name} is no fold")
    return scorer
