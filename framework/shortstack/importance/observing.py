"""Hooks on every layer that extract signals from one forward and backward pass, and free them as soon as possible."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import attrs
from torch import Tensor, nn

from shortstack.contracts import Signal
from shortstack.errors import UnsupportedModelError
from shortstack.importance.calibration import Batch
from shortstack.importance.loss_scale import LossScale
from shortstack.importance.signals import Signals, SweepPhase
from shortstack.models.attention import finite_masks, observing_attention
from shortstack.models.decoder import Decoder
from shortstack.models.ghost_norms import wide
from shortstack.models.layer_calls import LayerOutput, beside, entering, leaving, with_entering, with_views_beside
from shortstack.models.parameter_gradients import GradientTape, squared_by_example
from shortstack.models.sharding import kept_gathered

Deliver = Callable[[SweepPhase, Signals], None]
_LOG = logging.getLogger(__name__)


@attrs.define(eq=False)
class _Seen:
    """Tensors recorded for one layer in the current batch."""

    call: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    input: Tensor | None = None
    output: Tensor | None = None
    gradient: Tensor | None = None
    beside: dict[int, Tensor] = attrs.field(factory=dict)
    attention: Tensor | None = None
    visible: Tensor | None = None
    entered: bool = False
    complete: bool = False


class LayerObserver:
    """Observes a model's layers, and delivers the wanted signals as soon as they are available."""

    def __init__(
        self,
        decoder: Decoder,
        wanted: frozenset[Signal],
        keep: frozenset[Signal],
        deliver: Deliver,
        origin: Decoder | None = None,
    ) -> None:
        """Create the observer; hooks are registered by ``watching``.

        Args:
            decoder: The model's layers.
            wanted: All signals that any scorer needs.
            keep: Signals kept until the backward pass, because a scorer needs them together with gradients.
            deliver: Called with each layer's signals at each stage.
            origin: The decoder that the model is a shared-weight copy of; the model itself by default.
        """
        self._origin = origin or decoder
        self._decoder, self._wanted, self._keep, self._deliver = decoder, wanted, keep, deliver
        self.scale = LossScale(decoder)
        self._tapes = _tapes(decoder) if Signal.PARAMETER_GRADIENTS in wanted else []
        self._current, self._paused, self._told = -1, False, False

    @property
    def differentiates(self) -> bool:
        """True if a backward pass is needed."""
        return bool(self._wanted & {Signal.GRADIENTS, Signal.PARAMETER_GRADIENTS})

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Register the hooks inside the context, and remove them afterwards."""
        attention = Signal.ATTENTION in self._wanted
        with ExitStack() as stack:
            model = self._decoder.model
            stack.enter_context(observing_attention(model, self._attended) if attention else finite_masks(model))
            for index, layer in enumerate(self._decoder.layers):
                if self._tapes:
                    called = layer.register_forward_pre_hook(self._calling(index), with_kwargs=True, prepend=True)
                    stack.callback(called.remove)
                before = layer.register_forward_pre_hook(self._entering(index), with_kwargs=True)
                stack.callback(before.remove)
                stack.callback(layer.register_forward_hook(self._leaving(index)).remove)
            for handle in [handle for tape in self._tapes for handle in tape.hook()]:
                stack.callback(handle.remove)
            yield

    def begin(self, batch: Batch) -> None:
        """Prepare for a batch."""
        self._mask, self._supervised = batch.mask, batch.supervised
        self._seen = [_Seen() for _ in self._decoder.layers]
        for tape in self._tapes:
            tape.begin(*self._mask.shape)

    def end(self) -> None:
        """Finish a batch: deliver the signals that were not complete before."""
        self.require_run()
        for index, seen in enumerate(self._seen):
            self._require_seen(index, seen)
            if self._tapes:
                # a layer that is divided among processes is gathered by all, whichever of them still need it
                with kept_gathered(self._origin.layers[index]):
                    self._complete(index)
        self._seen = []

    def _calling(self, index: int) -> Callable[..., None]:
        """Return a hook that records the call, before other hooks, which run again if the call is repeated."""

        def call(_layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if not self._paused:
                self._seen[index].call = (args, kwargs)

        return call

    def _entering(self, index: int) -> Callable[..., Any]:
        def enter(_layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if self._paused:
                return None
            seen, self._current = self._seen[index], index
            if seen.entered:
                raise UnsupportedModelError(f"layer {index} runs twice in one pass, so its signals cannot be separated")
            seen.entered, states, changed = True, self._checked(entering(args, kwargs), index), None
            # all weights are frozen, so the graph starts at the input of the first layer
            if self.differentiates and not states.requires_grad:
                states = states.detach().requires_grad_()
                args, kwargs = changed = with_entering(args, kwargs, states)
            if self._tapes:
                states.register_hook(lambda _: self._arrived(index))
            seen.input = states.detach() if Signal.STATES in self._wanted else None
            return changed

        return enter

    def _leaving(self, index: int) -> Callable[..., LayerOutput | None]:
        def leave(_layer: nn.Module, _args: tuple[Any, ...], output: LayerOutput) -> LayerOutput | None:
            if self._paused:
                return None
            seen, states = self._seen[index], self._checked(leaving(output), index)
            if Signal.STATES in self._wanted:
                seen.output = states.detach()
                self._deliver(SweepPhase.OUTPUT, self._signals(index))
            if Signal.STATES not in self._keep:
                seen.input = seen.output = None  # freed before the next layer runs
            if self._tapes:
                self._tapes[index].leave()
                output = with_views_beside(output)
                for place, part in beside(output).items():
                    part.register_hook(partial(seen.beside.__setitem__, place))
            if self.differentiates:
                states.register_hook(lambda gradient: self._descended(index, gradient))
            return output

        return leave

    def _checked(self, states: Tensor, index: int) -> Tensor:
        if states.shape[:-1] != self._mask.shape:
            raise UnsupportedModelError(
                f"the hidden states at layer {index} of {type(self._decoder.model).__name__} are {tuple(states.shape)}, which is not "
                f"(batch, tokens, hidden) of {tuple(self._mask.shape)} tokens, so its signals cannot be divided by example"
            )
        return states

    def _attended(self, weights: Tensor, visible: Tensor) -> None:
        if self._paused:
            return
        seen = self._seen[self._current]
        if seen.visible is not None:
            raise UnsupportedModelError(f"layer {self._current} attends more than once, so it has no one attention map")
        seen.attention, seen.visible = weights, visible
        self._deliver(SweepPhase.ATTENTION, self._signals(self._current))
        if Signal.ATTENTION not in self._keep:
            seen.attention = None

    def _descended(self, index: int, gradient: Tensor) -> None:
        self._seen[index].gradient = gradient.detach()
        self.scale.require_finite(gradient, index)
        self._deliver(SweepPhase.GRADIENT, self._signals(index))
        if not self._tapes:
            self._seen[index] = _Seen(entered=True, visible=self._seen[index].visible, complete=True)

    def _arrived(self, index: int) -> None:
        """Complete the layer after the gradient of its input has arrived, unless parameters are left over."""
        if not self._tapes[index].pending:
            self._complete(index)

    def _complete(self, index: int) -> None:
        seen, tape = self._seen[index], self._tapes[index]
        if seen.complete:
            return
        squared = tape.squared().to(self._mask.device)
        if tape.left_over and seen.call is not None and seen.gradient is not None:
            self._tell(index, tape)
            with self.paused():  # the layer runs again, which the hooks must not record
                gradients = {0: seen.gradient} | seen.beside
                squared = squared + squared_by_example(
                    tape.layer, seen.call, tape.left_over, gradients, self._supervised
                )
        self.scale.require_finite(squared, index)
        self._deliver(SweepPhase.COMPLETE, self._signals(index, squared))
        self._seen[index] = _Seen(entered=True, visible=seen.visible, complete=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Ignore all module calls inside the context."""
        self._pause(paused=True)
        try:
            yield
        finally:
            self._pause(paused=False)

    def _pause(self, *, paused: bool) -> None:
        self._paused = paused
        for tape in self._tapes:
            tape.paused = paused

    def _tell(self, index: int, tape: GradientTape) -> None:
        if not self._told:
            self._told = True
            _LOG.warning(
                "layer %d: no fast rule for the gradients of %s; taking them example by example, which is slower",
                index,
                ", ".join(tape.names_left_over),
            )

    def _signals(self, index: int, squared: Tensor | None = None) -> Signals:
        seen, scale = self._seen[index], self.scale.value
        return Signals(
            layer=index,
            mask=self._mask,
            supervised=self._supervised,
            declared=self._wanted,
            input=None if seen.input is None else wide(seen.input),
            output=None if seen.output is None else wide(seen.output),
            gradient=None if seen.gradient is None else _unscaled(wide(seen.gradient), scale),
            squared=None if squared is None else _unscaled(squared, scale**2),
            attention=seen.attention,
            visible=seen.visible,
        )

    def require_run(self) -> None:
        """Raise unless every layer has run.

        Raises:
            UnsupportedModelError: A layer has not run.
        """
        for index, seen in enumerate(self._seen):
            if not seen.entered:
                raise UnsupportedModelError(
                    f"layer {index} did not run, so it has no score; the model skips layers, or the objective runs another model "
                    "than it is given"
                )

    def _require_seen(self, index: int, seen: _Seen) -> None:
        if Signal.ATTENTION in self._wanted and seen.visible is None:
            raise UnsupportedModelError(
                f"layer {index} has no attention that can be observed; ask for other scorers than those of attention maps"
            )


def _unscaled(values: Tensor, scale: float) -> Tensor:
    return values if scale == 1 else values / scale


def _tapes(decoder: Decoder) -> list[GradientTape]:
    """Return a gradient tape for each layer.

    Raises:
        UnsupportedModelError: Two layers share a parameter.
    """
    homes: dict[int, int] = {}
    for index, layer in enumerate(decoder.layers):
        for name, parameter in layer.named_parameters():
            if homes.setdefault(id(parameter), index) != index:
                raise UnsupportedModelError(
                    f"layers {homes[id(parameter)]} and {index} share the parameter {name!r}, so neither has a score of its own"
                )
    return [GradientTape(layer) for layer in decoder.layers]
