"""Selection strategies that measure the model without some layers."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import Probe
from shortstack.errors import ConfigurationError, NonFiniteError
from shortstack.selection.strategies import Choice, Keeps, Question, Strategic, Strategy

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen
class Greedy:
    """Backward elimination: drop the layer whose removal costs least, measure the rest again, repeat.

    The cost is the mean calibration loss without the layer and without those dropped before; of equal losses the last
    layer is dropped. It takes ``(L + k + 1)(L − k) / 2`` passes and ignores the scores.
    """

    name = "greedy"
    keeps = Keeps(nested=True, monotone=True, order_only=True, exact=True, continuous=True)

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        probe = needed_probe(question, self.name)
        kept, loss, passes = list(range(question.layers)), None, 0
        while len(kept) > keep:
            losses = {layer: calibration_loss(probe, question.layers, set(kept) - {layer}) for layer in kept}
            passes += len(kept)
            # negative indices, so that of equal losses the last layer is dropped
            loss, victim = min((value, -layer) for layer, value in losses.items())
            kept.remove(-victim)
        if loss is None:
            return Choice(kept=kept, reason="nothing has to go")
        return Choice(
            kept=kept,
            reason=f"dropping one layer at a time by calibration loss, {loss:.4f} at last, in {passes} passes",
        )


@attrs.frozen(kw_only=True)
class Adaptive:
    """The smallest student whose calibration loss is within a bound of the teacher's.

    Sizes are tried from the smallest; if none is within the bound, the largest allowed is taken.

    Attributes:
        tolerance: How much the mean calibration loss may exceed the teacher's, in nats per example.
        min_layers: Smallest size to try.
        max_layers: Largest size to try; the budget limits it too.
        by: Strategy that selects the k layers of each size k.
    """

    name = "adaptive"
    tolerance: float = 0.1
    min_layers: int = 1
    max_layers: int | None = None
    by: Strategy = attrs.field(factory=Strategic)

    def __attrs_post_init__(self) -> None:
        if not self.tolerance >= 0:
            raise ConfigurationError(f"tolerance must be 0 or more nats, got {self.tolerance!r}")
        if self.min_layers < 1 or (self.max_layers is not None and self.max_layers < self.min_layers):
            raise ConfigurationError(
                f"min_layers must be at least 1 and at most max_layers, got {self.min_layers} and {self.max_layers}"
            )

    @property
    def keeps(self) -> Keeps:
        """Traits of the inner strategy that still hold; the size depends on measurements, so most do not."""
        return Keeps(order_only=self.by.keeps.order_only, continuous=self.by.keeps.continuous)

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        probe = needed_probe(question, self.name)
        most = keep if self.max_layers is None else min(keep, self.max_layers)
        if self.min_layers > most:
            raise ConfigurationError(f"min_layers is {self.min_layers}, but the budget allows only {most} layers")
        bound = calibration_loss(probe, question.layers, range(question.layers)) + self.tolerance
        for size in range(self.min_layers, most + 1):
            kept = self.by.choose(question, size).kept
            loss = calibration_loss(probe, question.layers, kept)
            if loss <= bound:
                return Choice(
                    kept=kept, reason=f"the fewest by {self.by.name} with calibration loss {loss:.4f} ≤ {bound:.4f}"
                )
        return Choice(
            kept=kept,
            reason=f"no size up to {most} by {self.by.name} has a calibration loss within {bound:.4f}; {most} gives {loss:.4f}",
        )


@attrs.frozen(kw_only=True)
class RememberingProbe:
    """A probe with a cache: a parameter budget tries several sizes, and each set of layers is measured once.

    Attributes:
        probe: The probe that measures.
    """

    probe: Probe
    _measured: "dict[tuple[int, ...], Tensor]" = attrs.field(factory=dict, init=False, repr=False, eq=False)

    @property
    def layers(self) -> int:
        """See ``Probe``."""
        return self.probe.layers

    @property
    def examples(self) -> int:
        """See ``Probe``."""
        return self.probe.examples

    @property
    def passes(self) -> int:
        """Number of different sets of skipped layers, one pass over the examples each."""
        return len(self._measured)

    def few(self, examples: int) -> "RememberingProbe":
        """See ``Probe``."""
        return RememberingProbe(probe=self.probe.few(examples))

    def log_probability(self, *, skip: Sequence[int] = ()) -> "Tensor":
        """See ``Probe``."""
        key = tuple(skip)
        if key not in self._measured:
            self._measured[key] = self.probe.log_probability(skip=key)
        return self._measured[key]


def needed_probe(question: Question, name: str) -> Probe:
    """Return the probe of a question, for a strategy that requires one.

    Raises:
        ConfigurationError: There is no probe, or it is for another model.
    """
    if question.probe is None:
        raise ConfigurationError(f"strategy {name!r} measures the model: give select() a probe")
    if question.probe.layers != question.layers:
        raise ConfigurationError(
            f"the probe has {question.probe.layers} layers, but there are {question.layers} scores; both must be the teacher's"
        )
    return question.probe


def calibration_loss(probe: Probe, layers: int, kept: Iterable[int]) -> float:
    """Return the mean negative log-probability, in nats, when only these layers run.

    Raises:
        NonFiniteError: The loss is NaN or infinite.
    """
    skip = tuple(sorted(set(range(layers)) - set(kept)))
    loss = -float(probe.log_probability(skip=skip).mean())
    if not abs(loss) < float("inf"):
        raise NonFiniteError(f"the calibration loss without layers {list(skip)} is {loss}")
    return loss
