"""A probe for one of several values that another probe measures at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import Probe

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True)
class ProbeColumn:
    """See ``contracts.Probe``.

    Attributes:
        probe: Returns ``(examples, values)``.
        number: Index of the value that this one returns.
    """

    probe: Probe
    number: int

    @property
    def layers(self) -> int:
        """See ``Probe``."""
        return self.probe.layers

    @property
    def examples(self) -> int:
        """See ``Probe``."""
        return self.probe.examples

    def few(self, examples: int) -> "ProbeColumn":
        """See ``Probe``."""
        return attrs.evolve(self, probe=self.probe.few(examples))

    def log_probability(self, *, skip: Sequence[int] = ()) -> "Tensor":
        """See ``Probe``."""
        return self.probe.log_probability(skip=skip)[:, self.number]
