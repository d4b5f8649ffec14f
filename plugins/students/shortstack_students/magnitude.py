"""Magnitude compensation: what lies beyond removed layers finds the stream as large as it was.

Removed layers would have made the hidden states larger, by ``α = mean ‖h after‖ / ‖h before‖`` over tokens. Without them the
layers beyond write too much onto too little. The paper scales all that was written before the gap by α; here all that is
written after it is divided by α, which is the same function where layers begin with a norm, for a norm does not see the size of
what it is given (its small constant aside), and leaves the embedding alone, which may be tied to the output rows.

Source: Prune&Comp, arXiv 2507.18212. Deviation: every α is measured in the whole teacher, not again after each removal.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

from shortstack.contracts import Selection
from shortstack.errors import UnsupportedModelError
from shortstack_students.stream import Gap, gaps_of, recorded

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from shortstack_students.stream import Point

_TINY = 1e-30
_EPSILON = 0.1
"""How far the small constant in a norm may move what a layer writes, when the stream is half as large."""


def compensate(
    teacher: "PreTrainedModel",
    student: "PreTrainedModel",
    selection: Selection,
    batches: "Sequence[Mapping[str, Tensor]]",
) -> list[str]:
    """Fold the factors into the student's weights, and prove that they are folded.

    Returns:
        The names of the tensors that changed.

    Raises:
        UnsupportedModelError: The family's layers do not begin with a norm, or do not write straight into the stream.
    """
    from shortstack.models import Decoder

    factors, decoder = growth(teacher, gaps_of(selection), batches), Decoder.of(student)
    sizes = [prod(f for gap, f in factors.items() if gap.place <= index) for index in range(len(decoder.layers))]
    changed = []
    for index, size in reversed(list(enumerate(sizes))):  # from above, so that what enters a layer stays
        if size != 1:
            names = _divided(student, index, size, batches[:1])
            changed += [f"{decoder.path}.{index}.{name}" for name in names]
    return changed


def growth(
    teacher: "PreTrainedModel", gaps: Sequence[Gap], batches: "Sequence[Mapping[str, Tensor]]"
) -> dict[Gap, float]:
    """α of each gap: ``mean ‖h after‖ / ‖h before‖`` over unmasked tokens of the teacher."""
    from shortstack.models import Decoder

    layers = Decoder.of(teacher).layers
    points: dict[str, Point] = {f"{gap.first} in": (layers[gap.first], "in") for gap in gaps}
    points |= {f"{gap.last} out": (layers[gap.last], "out") for gap in gaps}
    sums, tokens = dict.fromkeys(gaps, 0.0), 0
    for states in recorded(teacher, batches, points):
        tokens += len(next(iter(states.values()), ()))
        for gap in gaps:
            before, after = (states[name].norm(dim=-1) for name in (f"{gap.first} in", f"{gap.last} out"))
            sums[gap] += float((after / before.clamp_min(_TINY)).sum())
    return {gap: total / tokens for gap, total in sums.items()}


def _divided(
    student: "PreTrainedModel", index: int, size: float, batches: "Sequence[Mapping[str, Tensor]]"
) -> list[str]:
    """Divide what a layer writes; the names of its tensors that changed.

    Proved with 2 instead of ``size``: half of a stream and half of the weights must give half of what was written.

    Raises:
        UnsupportedModelError: They do not.
    """
    from shortstack.models import Decoder, residual_writers

    layer = Decoder.of(student).layers[index]
    writers, before = residual_writers(layer), _writes(student, layer, batches)
    for _, parameter in writers:
        parameter.data /= 2  # exact, and far enough from 1 to see whether it tells
    halved = _writes(student, layer, batches, scale=0.5)
    if _apart(2 * halved, before) > _EPSILON:
        raise UnsupportedModelError(
            f"repair = 'magnitude' cannot be folded into {type(student).__name__}: its layers do not begin with a norm and "
            "end with a matrix that writes to the stream; take another repair"
        )
    for _, parameter in writers:
        parameter.data *= 2 / size
    return [name for name, _ in writers]


def _writes(
    student: "PreTrainedModel", layer: "nn.Module", batches: "Sequence[Mapping[str, Tensor]]", scale: float = 1.0
) -> "Tensor":
    """What a layer adds to the stream that enters it, ``(tokens, width)``, or to one of another size."""
    with _scaled(layer, scale):
        (states,) = recorded(student, batches, {"in": (layer, "in"), "out": (layer, "out")})
    return states["out"] - states["in"]


def _apart(one: "Tensor", other: "Tensor") -> float:
    """How far apart two tensors are, in parts of the larger one's norm."""
    return float((one - other).norm() / max(one.norm(), other.norm(), _TINY))


@contextmanager
def _scaled(layer: "nn.Module", factor: float) -> Iterator[None]:
    """Inside, what enters the layer is this many times as large, for hooks that come later too."""
    from shortstack.models import entering, with_entering

    def scale(_module: "nn.Module", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return with_entering(args, kwargs, entering(args, kwargs) * factor)

    handle = layer.register_forward_pre_hook(scale, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
