"""Which layers stay, and why."""

from collections.abc import Iterable
from contextlib import suppress
from operator import index
from typing import Protocol, SupportsIndex, runtime_checkable

import attrs


@runtime_checkable
class _Array(Protocol):
    """An array of NumPy or PyTorch."""

    def tolist(self) -> object: ...


def _indices(kept: "Iterable[SupportsIndex] | _Array") -> tuple[int, ...]:
    """Plain integers, for they end up in JSON.

    >>> _indices([0, 2.0])
    Traceback (most recent call last):
        ...
    ValueError: kept layers must be a list of whole numbers, got [0, 2.0]
    """
    plain = kept.tolist() if isinstance(kept, _Array) else list(kept) if isinstance(kept, Iterable) else kept
    masked = isinstance(plain, list) and any(isinstance(layer, bool) for layer in plain)
    if isinstance(plain, list) and not masked:  # a mask of two layers would be taken for their indices
        with suppress(TypeError):
            return tuple(index(layer) for layer in plain)
    raise ValueError(f"kept layers must be a list of whole numbers, got {plain!r}")


@attrs.frozen(kw_only=True)
class Selection:
    """The kept layers.

    Attributes:
        kept: Indices of the layers that stay, ascending.
        of: How many layers the teacher has.
        strategy: The name of the strategy that chose them.
        budget: The budget, in words, for example ``"keep 25% of 12 layers"``.
        reason: Why these, in one sentence.
        forwards: Passes over the calibration examples that the choice took, the scores not counted.
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
