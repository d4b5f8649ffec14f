"""Signals of one layer and one batch, as scorers see them."""

from enum import IntEnum

import attrs
from torch import Tensor

from shortstack.contracts import Signal
from shortstack.errors import ConfigurationError


class SweepPhase(IntEnum):
    """Point in a sweep at which a layer's signals are available."""

    ATTENTION = 0  # inside the attention call
    OUTPUT = 1  # when the layer returns
    GRADIENT = 2  # when the gradient of its output arrives
    COMPLETE = 3  # when the gradients of all its parameters have arrived


_FROM = {
    Signal.ATTENTION: SweepPhase.ATTENTION,
    Signal.STATES: SweepPhase.OUTPUT,
    Signal.GRADIENTS: SweepPhase.GRADIENT,
    Signal.PARAMETER_GRADIENTS: SweepPhase.COMPLETE,
}


def stage_of(needs: frozenset[Signal]) -> SweepPhase:
    """Return the first stage at which all these signals are available.

    >>> stage_of(frozenset({Signal.STATES, Signal.GRADIENTS})).name
    'GRADIENT'
    """
    return max(_FROM[signal] for signal in needs)


@attrs.frozen(kw_only=True, eq=False)
class Signals:
    """See ``contracts.LayerSignals``.

    Attributes:
        layer: The layer's index.
        mask: Bool ``(batch, tokens)``.
        supervised: Bool ``(batch,)``.
        declared: Signals that the scorer declared in its ``needs``; reading another raises.
    """

    layer: int
    mask: Tensor
    supervised: Tensor
    declared: frozenset[Signal]
    _input: Tensor | None = None
    _output: Tensor | None = None
    _gradient: Tensor | None = None
    _squared: Tensor | None = None
    _attention: Tensor | None = None
    _visible: Tensor | None = None

    @property
    def input(self) -> Tensor:
        """See ``LayerSignals``."""
        return self._declared(Signal.STATES, self._input)

    @property
    def output(self) -> Tensor:
        """See ``LayerSignals``."""
        return self._declared(Signal.STATES, self._output)

    @property
    def gradient(self) -> Tensor:
        """See ``LayerSignals``."""
        return self._declared(Signal.GRADIENTS, self._gradient)

    @property
    def squared_parameter_gradients(self) -> Tensor:
        """See ``LayerSignals``."""
        return self._declared(Signal.PARAMETER_GRADIENTS, self._squared)

    @property
    def attention(self) -> Tensor:
        """See ``LayerSignals``."""
        return self._declared(Signal.ATTENTION, self._attention)

    @property
    def visible(self) -> Tensor:
        """See ``LayerSignals``."""
        return self._declared(Signal.ATTENTION, self._visible)

    def versions(self) -> tuple[int, ...]:
        """Return the version counter of each tensor, which counts changes in place."""
        tensors = (
            self._input,
            self._output,
            self._gradient,
            self._squared,
            self._attention,
            self.mask,
            self.supervised,
        )
        return tuple(t._version for t in tensors if t is not None and not t.is_inference())  # noqa: SLF001 -- torch's name

    def _declared(self, signal: Signal, value: Tensor | None) -> Tensor:
        if signal not in self.declared or value is None:
            declared = ", ".join(sorted(s.name for s in self.declared)) or "nothing"
            raise ConfigurationError(
                f"a scorer asked for the signal {signal.name} but its `needs` declare {declared}; add it to `needs`"
            )
        return value
