"""Which layers stay, and why."""

from collections.abc import Iterable

import attrs


def _tuple(kept: Iterable[int]) -> tuple[int, ...]:
    return tuple(kept)


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

    kept: tuple[int, ...] = attrs.field(converter=_tuple)
    of: int
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
