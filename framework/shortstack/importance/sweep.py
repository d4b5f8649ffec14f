"""The sweep: one forward and one backward pass per batch, to activations only, that feeds every fold scorer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.contracts import FoldScorer, Signal
from shortstack.errors import ConfigurationError, NonFiniteError
from shortstack.importance.calibration import Batch
from shortstack.importance.first_nonfinite import first_nonfinite_layer
from shortstack.importance.guarded_calls import GuardedCalls
from shortstack.importance.memory import suggesting_smaller
from shortstack.importance.objectives import next_token
from shortstack.importance.observing import LayerObserver
from shortstack.importance.signals import Signals, SweepPhase, stage_of
from shortstack.models.candidates import candidate_logits
from shortstack.models.checks import require_plain_weights
from shortstack.models.decoder import Decoder
from shortstack.models.frozen import frozen_copy
from shortstack.models.objectives import Objective
from shortstack.models.sharding import OneByOne, is_sharded
from shortstack.registry.isolation import written_in

_GRADIENTS = frozenset({Signal.GRADIENTS, Signal.PARAMETER_GRADIENTS})


@attrs.frozen(kw_only=True, eq=False)
class Swept:
    """Result of a sweep.

    Attributes:
        states: Each scorer's state, by name.
        examples: Examples with at least one token that is not padding.
        supervised: The number of these with a label.
    """

    states: Mapping[str, Any]
    examples: int
    supervised: int

    def merged(self, other: "Swept", scorers: Mapping[str, FoldScorer[Any]], calls: GuardedCalls) -> "Swept":
        """Return the result of one sweep over both parts of the data.

        Raises:
            PluginError: A scorer failed.
        """
        states = {
            name: calls.to(name, partial(scorer.merge, self.states[name], other.states[name]))
            for name, scorer in scorers.items()
        }
        return Swept(
            states=states,
            examples=self.examples + other.examples,
            supervised=self.supervised + other.supervised,
        )


def sweep(
    model: PreTrainedModel,
    batches: Iterable[Batch],
    scorers: Mapping[str, FoldScorer[Any]],
    objective: Objective = next_token,
    *,
    calls: GuardedCalls | None = None,
    before: Swept | None = None,
    spare: Sequence[Batch] = (),
) -> Swept:
    """Feed every scorer; scorers that need no signal read the weights alone, and are only started.

    It runs on a shared-weight copy: the model is not modified, and no gradient of a parameter is computed.

    Args:
        model: A stock causal language model.
        batches: Batches, read once.
        scorers: Fold scorers by name.
        objective: Objective to differentiate.
        calls: Guarded calls of the scorers; by default errors name their classes.
        before: Result of an earlier sweep of the same scorers, to continue from.
        spare: Batches that are run for nothing, after the others: a model that is divided among processes needs all of
            them for each pass.

    Raises:
        PluginError: A scorer failed.
        UnsupportedModelError: A signal cannot be observed in this model, or weights that a scorer needs are quantised.
        NonFiniteError: An example's log-probability is NaN or infinite, or a gradient too large for float16.
        OutOfMemoryError: A batch is too large.
    """
    decoder = Decoder.of(model)
    calls = calls or GuardedCalls({name: f"importance scorer {written_in(scorer)}" for name, scorer in scorers.items()})
    if any(not scorer.needs or Signal.PARAMETER_GRADIENTS in scorer.needs for scorer in scorers.values()):
        require_plain_weights(decoder)
    feed = _Feed(scorers, decoder, calls, before.states if before else None)
    examples, supervised = (before.examples, before.supervised) if before else (0, 0)
    if feed.wanted:
        origin, decoder = decoder, Decoder.of(frozen_copy(model))
        observer = LayerObserver(decoder, feed.wanted, feed.keep, feed.deliver, origin)
        with (
            calls.sweep(scorers),
            observer.watching(),
            torch.set_grad_enabled(observer.differentiates),
        ):

            def run(batch: Batch) -> Callable[[], None]:
                run_batch = partial(_pass, observer, decoder, batch, objective, supervised)
                # scorers return new states, so the dict alone restores the ones before the batch
                undo = partial(feed.go_back, dict(feed.states))
                with suggesting_smaller(batch):
                    observer.scale.lowering(run_batch, undo=undo)
                return undo

            for batch in batches:
                run(batch)
                examples += int(batch.mask.any(-1).sum())
                supervised += int(batch.supervised.sum())
            for batch in spare:
                run(batch)()
    return Swept(states=feed.states, examples=examples, supervised=supervised)


@attrs.frozen(kw_only=True, eq=False)
class _Blocks:
    """See ``contracts.DecoderLayers``."""

    layers: Sequence[nn.Module]


class _Feed:
    """Updates each scorer at the first stage at which all of its signals are available."""

    def __init__(
        self,
        scorers: Mapping[str, FoldScorer[Any]],
        decoder: Decoder,
        calls: GuardedCalls,
        states: Mapping[str, Any] | None,
    ) -> None:
        self._calls = calls
        self.states = dict(states or {}) or {
            name: calls.to(name, partial(_started, scorer, decoder)) for name, scorer in scorers.items()
        }
        self._fed = {name: scorer for name, scorer in scorers.items() if scorer.needs}
        self._stages = {name: stage_of(scorer.needs) for name, scorer in self._fed.items()}
        self.wanted = frozenset[Signal]().union(*(scorer.needs for scorer in self._fed.values()))
        # attention arrives first, so it must be kept for scorers that need other signals with it
        late = [s.needs for s in self._fed.values() if s.needs & _GRADIENTS or s.needs > {Signal.ATTENTION}]
        self.keep = frozenset[Signal]().union(*late)

    def deliver(self, stage: SweepPhase, signals: Signals) -> None:
        for name, scorer in self._fed.items():
            if self._stages[name] is stage:
                view = attrs.evolve(signals, declared=scorer.needs)  # reading an undeclared signal raises
                update = partial(scorer.update, self.states[name], view)
                with torch.no_grad():
                    self.states[name] = self._calls.update(name, view, update)

    def go_back(self, states: Mapping[str, Any]) -> None:
        """Restore earlier states, after a pass that overflowed."""
        self.states = dict(states)


def _started(scorer: FoldScorer[Any], decoder: Decoder) -> Any:
    if not is_sharded(decoder.layers):
        return scorer.start(_Blocks(layers=tuple(decoder.layers)))
    layers = OneByOne(tuple(decoder.layers))
    try:
        return scorer.start(_Blocks(layers=layers))
    finally:
        layers.free()


def _pass(observer: LayerObserver, decoder: Decoder, batch: Batch, objective: Objective, before: int) -> None:
    """Run one batch, with a backward pass if needed; ``before`` is the number of labelled examples before it."""
    observer.begin(batch)
    if observer.differentiates:
        values = _values(decoder.model, batch, objective)
        observer.require_run()  # an objective that runs another model would give gradients of that one
        _require_finite(values.detach(), observer, decoder, batch, before)
        torch.autograd.backward(values.sum() * observer.scale.value)
    else:
        _run(decoder.model, batch)
    observer.end()


def _run(model: PreTrainedModel, batch: Batch) -> None:
    """Run a forward pass without logits at any position."""
    nowhere = torch.zeros_like(batch.mask)
    candidate_logits(model, batch.input_ids, batch.attention_mask, nowhere, None)


def _values(model: PreTrainedModel, batch: Batch, objective: Objective) -> Tensor:
    """Return the supervised examples' log-probabilities, with their graph."""
    values = objective(model, batch.input_ids, batch.attention_mask, batch.labels)
    if values.shape != (len(batch.input_ids),):
        raise ConfigurationError(
            f"the objective returned a tensor of shape {tuple(values.shape)}; it must give one log-probability an "
            f"example, ({len(batch.input_ids)},)"
        )
    chosen = values[batch.supervised]
    if not chosen.requires_grad:
        raise ConfigurationError("the objective's result has no gradient; compute it from the model's logits")
    return chosen


def _require_finite(values: Tensor, observer: LayerObserver, decoder: Decoder, batch: Batch, before: int) -> None:
    bad = (~values.isfinite()).nonzero()[:, 0].tolist()
    if bad:
        row = int(batch.supervised.nonzero()[bad[0]])
        if is_sharded(decoder.model):  # another pass would need the other processes
            raise NonFiniteError(
                f"the log-probability of {batch.called(row, before + bad[0])} is {values[bad[0]]}; check the model's weights and "
                "precision"
            )
        with observer.paused():
            origin = first_nonfinite_layer(decoder, batch, row)
        raise NonFiniteError(
            f"the log-probability of {batch.called(row, before + bad[0])} is {values[bad[0]]}, and {origin}; "
            "check the model's weights and precision"
        )
