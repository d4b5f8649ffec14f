"""A fold's state: merged, left unchanged, stored and resumed."""

from types import SimpleNamespace
from typing import Any, Final

import attrs
import torch
from transformers import PreTrainedModel

from shortstack.contracts import DecoderLayers, FoldScorer, Importance, LayerSignals, Signal
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.scorers.measuring import (
    A_FOLD,
    A_FOLD_OVER_DATA,
    Batches,
    fold,
    fold_scorer,
    one_batch,
    require_same,
)
from shortstack.testing.recipes.corpora import Batching, Corpus
from shortstack.testing.recipes.models import TinyModel
from shortstack.testing.states import same_state, stored_and_read
from shortstack.testing.strategies import corpora, models
from shortstack.testing.subject import Subject

FEW: Final = 12
"""Number of examples: each of these laws sweeps three times or more, and a bug in a state breaks several of them."""


_FIELDS: Final = {
    Signal.STATES: ("input", "output"),
    Signal.GRADIENTS: ("gradient",),
    Signal.PARAMETER_GRADIENTS: ("squared_parameter_gradients",),
    Signal.ATTENTION: ("attention", "visible"),
}


@attrs.define(kw_only=True, eq=False)
class _From:
    """Fold scorer that starts from a given state."""

    scorer: FoldScorer[Any]
    state: Any
    needs: frozenset[Signal]

    def start(self, _model: DecoderLayers) -> Any:
        return self.state

    def update(self, state: Any, signals: LayerSignals) -> Any:
        return self.scorer.update(state, signals)

    def merge(self, left: Any, right: Any) -> Any:
        return self.scorer.merge(left, right)

    def finish(self, state: Any) -> Importance:
        return self.scorer.finish(state)


def _going_on(scorer: FoldScorer[Any], state: Any, model: PreTrainedModel, batches: Batches) -> Any:
    """Return the state after further batches."""
    return fold(_From(scorer=scorer, state=state, needs=scorer.needs), model, batches)


@law("scorer", when=A_FOLD, examples=FEW, model=models(layers=(1, 3)), first=corpora(), second=corpora())
def merge(subject: Subject, *, model: TinyModel, first: Corpus, second: Corpus) -> None:
    """Merging the states of two parts of the data gives the scores of the whole."""
    scorer, built = fold_scorer(subject), model.build()
    left, right = (fold(scorer, built, one_batch(part)) for part in (first, second))
    whole = scorer.finish(fold(scorer, built, [*one_batch(first), *one_batch(second)])).scores

    require_same(subject, model, scorer.finish(scorer.merge(left, right)).scores, whole, "scores of merged states")


@law("scorer", when=A_FOLD, examples=FEW, model=models(layers=(1, 3)), a=corpora(), b=corpora(), c=corpora())
def merge_in_any_order(subject: Subject, *, model: TinyModel, a: Corpus, b: Corpus, c: Corpus) -> None:
    """Merging is commutative and associative."""
    scorer, built = fold_scorer(subject), model.build()
    x, y, z = (fold(scorer, built, one_batch(part)) for part in (a, b, c))
    expected = scorer.finish(scorer.merge(scorer.merge(x, y), z)).scores

    swapped = scorer.finish(scorer.merge(z, scorer.merge(y, x))).scores
    require_same(subject, model, swapped, expected, "scores of three parts merged in another order")


@attrs.define(kw_only=True, eq=False)
class _LastLayerFirst:
    """Fold scorer that passes on the layers of each batch in descending order."""

    scorer: FoldScorer[Any]
    needs: frozenset[Signal]
    layers: int

    def start(self, model: DecoderLayers) -> Any:
        return self.scorer.start(model), ()

    def update(self, state: Any, signals: LayerSignals) -> Any:
        inner, waiting = state
        waiting = sorted([*waiting, _held(signals, self.needs)], key=lambda held: -held.layer)
        if len(waiting) < self.layers:
            return inner, waiting
        for held in waiting:
            inner = self.scorer.update(inner, held)
        return inner, ()

    def merge(self, left: Any, right: Any) -> Any:
        return self.scorer.merge(left[0], right[0]), ()

    def finish(self, state: Any) -> Importance:
        return self.scorer.finish(state[0])


def _held(signals: LayerSignals, needs: frozenset[Signal]) -> Any:
    """Return copies of a layer's signals, which may be reused after the call."""
    names = [name for need in needs for name in _FIELDS[need]]
    fields = {name: getattr(signals, name).clone() for name in ("mask", "supervised", *names)}
    return SimpleNamespace(layer=signals.layer, **fields)


@law("scorer", when=A_FOLD_OVER_DATA, examples=5, model=models(layers=(2, 4)), corpus=corpora(examples=(2, 4)))
def layers_in_any_order(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """The order in which a batch's layers arrive does not change the scores: it depends on how a model runs."""
    scorer, built = fold_scorer(subject), model.build()
    batches = Batching(sizes=(2,)).batches(corpus.examples())
    expected = scorer.finish(fold(scorer, built, batches)).scores
    backwards = _LastLayerFirst(scorer=fold_scorer(subject), needs=scorer.needs, layers=model.layers)

    actual = backwards.finish(fold(backwards, built, batches)).scores
    require_same(subject, model, actual, expected, "scores of batches whose last layer comes first")


@law("scorer", when=A_FOLD, examples=FEW, model=models(layers=(1, 3)), corpus=corpora())
def start_is_nothing(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """Merging with the state of no data changes nothing, bit for bit, from either side."""
    scorer, built = fold_scorer(subject), model.build()
    seen, start = fold(scorer, built, one_batch(corpus)), fold(scorer, built, [])
    expected = scorer.finish(seen).scores

    for merged in (scorer.merge(seen, start), scorer.merge(start, seen)):
        actual = scorer.finish(merged).scores
        require(
            torch.equal(actual, expected), f"{actual.tolist()} after merging with start(), {expected.tolist()} before"
        )


@law("scorer", when=A_FOLD, examples=FEW, model=models(layers=(1, 3)), first=corpora(), second=corpora())
def states_are_values(subject: Subject, *, model: TinyModel, first: Corpus, second: Corpus) -> None:
    """``update``, ``merge`` and ``finish`` leave the states they are given as they were."""
    scorer, built = fold_scorer(subject), model.build()
    start = fold(scorer, built, [])
    states = [start, fold(scorer, built, one_batch(first)), fold(scorer, built, one_batch(second))]
    copies = [stored_and_read(state) for state in states]
    scorer.finish(scorer.merge(states[1], states[2]))
    scorer.finish(states[1])
    _going_on(scorer, states[1], built, one_batch(second))
    _going_on(scorer, start, built, one_batch(second))

    for what, state, copy in zip(("start()", "the first part", "the second part"), states, copies, strict=True):
        require(same_state(state, copy), f"the state of {what} was changed in place")


@law("scorer", when=A_FOLD, examples=FEW, model=models(layers=(1, 3)), corpus=corpora(examples=(1, 3)))
def finish(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """``finish`` gives the same each time, also from a fresh scorer on the state stored and read back."""
    scorer, built = fold_scorer(subject), model.build()
    state = fold(scorer, built, one_batch(corpus))
    stored = stored_and_read(state)
    first, again = scorer.finish(state).scores, scorer.finish(state).scores
    fresh = fold_scorer(subject).finish(stored).scores

    require(torch.equal(first, again), f"{first.tolist()} at first, {again.tolist()} of the same state")
    require(torch.equal(first, fresh), f"{first.tolist()}, and {fresh.tolist()} from a fresh scorer")


@law("scorer", when=A_FOLD, examples=FEW, model=models(layers=(1, 3)), corpus=corpora(examples=(2, 5)))
def resume(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """A state holds only tensors and plain values: stored half-way and read back, it ends with the same scores."""
    scorer, built = fold_scorer(subject), model.build()
    batches = Batching(sizes=(1,)).batches(corpus.examples())
    half = len(batches) // 2
    state = stored_and_read(fold(scorer, built, batches[:half]))
    later = fold_scorer(subject)
    resumed = later.finish(_going_on(later, state, built, batches[half:])).scores
    straight = scorer.finish(fold(scorer, built, batches)).scores

    require(torch.equal(resumed, straight), f"{resumed.tolist()} when resumed, {straight.tolist()} in one go")
