"""Selections: which layers are kept, and why."""

from collections.abc import Iterable
from contextlib import suppress
from operator import index
from typing import Protocol, SupportsIndex, runtime_checkable

import attrs

from shortstack.html_table import table_of_values


@runtime_checkable
class _Array(Protocol):
    """Array of NumPy or PyTorch."""

    def tolist(self) -> object: ...


def _indices(kept: "Iterable[SupportsIndex] | _Array") -> tuple[int, ...]:
    """Return plain integers, which can be written to JSON.

    >>> _indices([0, 2.0])
    Traceback (most recent call last):
        ...
    ValueError: kept layers must be a list of whole numbers, got [0, 2.0]
    """
    plain = kept.tolist() if isinstance(kept, _Array) else list(kept) if isinstance(kept, Iterable) else kept
    masked = isinstance(plain, list) and any(isinstance(layer, bool) for layer in plain)
    if isinstance(plain, list) and not masked:  # True and False are integers: a mask would be read as indices 1 and 0
        with suppress(TypeError):
            return tuple(index(layer) for layer in plain)
    raise ValueError(f"kept layers must be a list of whole numbers, got {plain!r}")


@attrs.frozen(kw_only=True)
class Selection:
    """The kept layers.

    Attributes:
        kept: Indices of the layers that are kept, ascending.
        of: Number of layers of the teacher.
        strategy: The name of the strategy that chose them.
        budget: The budget, in words, for example ``"keep 25% of 12 layers"``.
        reason: Reason for the choice, in one sentence.
        forwards: Number of passes over the calibration examples that the choice took, besides the scores'.
    """

    kept: tuple[int, ...] = attrs.field(converter=_indices)
    of: int = attrs.field(converter=index)
    strategy: str = "given"
    budget: str = ""
    reason: str = ""
    forwards: int = 0

    @kept.validator
    def _ascending_and_in_range(self, _attribute: object, kept: tuple[int, ...]) -> None:
        if not kept:
            raise ValueError("a selection keeps at least one layer")
        if list(kept) != sorted(set(kept)) or kept[0] < 0:
            raise ValueError(f"kept layers must be ascending and distinct, got {list(kept)}")

    def __attrs_post_init__(self) -> None:
        if self.kept[-1] >= self.of:
            raise ValueError(f"layer {self.kept[-1]} is not among the teacher's {self.of} layers (0 … {self.of - 1})")

    def _repr_html_(self) -> str:
        """Return a small table for a notebook."""
        layers = f"{', '.join(map(str, self.kept))} of {self.of}"
        facts = {"layers": layers, "strategy": self.strategy, "budget": self.budget, "reason": self.reason}
        return table_of_values(("", "selection"), ((name, value) for name, value in facts.items() if value))
