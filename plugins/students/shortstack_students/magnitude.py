"""Magnitude compensation: later layers' outputs are rescaled for the growth of hidden states that removed layers caused.

Removed layers would have made the hidden states larger, by ``α = mean ‖h after‖ / ‖h before‖`` over tokens. Without them, the
outputs of later layers are too large relative to the residual stream. The paper multiplies everything before the gap by α;
here the outputs of all layers after it are divided by α. That is the same function where layers begin with a norm, which does
not depend on the scale of its input (its epsilon aside), and leaves the embedding unchanged, which may be tied to the output rows.

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
"""Largest relative change of a layer's output by the norm's epsilon when the residual stream is halved."""


def compensate(
    teacher: "PreTrainedModel",
    student: "PreTrainedModel",
    selection: Selection,
    batches: "Sequence[Mapping[str, Tensor]]",
) -> list[str]:
    """Fold the factors into the student's weights, and check the layers' new outputs.

    Returns:
        The names of the tensors that changed.

    Raises:
        UnsupportedModelError: The family's layers do not begin with a norm, or their outputs are not added to the residual
            stream unchanged.
    """
    from shortstack.models import Decoder

    factors, decoder = growth(teacher, gaps_of(selection), batches), Decoder.of(student)
    sizes = [prod(f for gap, f in factors.items() if gap.place <= index) for index in range(len(decoder.layers))]
    changed = []
    for index, size in reversed(list(enumerate(sizes))):  # from the last, so that a layer's input is still unchanged
        if size != 1:
            names = _divided(student, index, size, batches[:1])
            changed += [f"{decoder.path}.{index}.{name}" for name in names]
    return changed


def growth(
    teacher: "PreTrainedModel", gaps: Sequence[Gap], batches: "Sequence[Mapping[str, Tensor]]"
) -> dict[Gap, float]:
    """Measure α of each gap: ``mean ‖h after‖ / ‖h before‖`` over unmasked tokens of the teacher."""
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
    """Divide a layer's contribution to the residual stream by ``size``; return the names of the changed tensors.

    Checked with 2 instead of ``size``: half the input and half the weights must give half the contribution.

    Raises:
        UnsupportedModelError: They do not.
    """
    from shortstack.models import Decoder, residual_writers

    layer = Decoder.of(student).layers[index]
    writers, before = residual_writers(layer), _writes(student, layer, batches)
    for _, parameter in writers:
        parameter.data /= 2  # exact in floating point, and far enough from 1 to be measurable
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
    """Return a layer's contribution to the residual stream, ``(tokens, width)``, with its input multiplied by ``scale``."""
    with _scaled(layer, scale):
        (states,) = recorded(student, batches, {"in": (layer, "in"), "out": (layer, "out")})
    return states["out"] - states["in"]


def _apart(one: "Tensor", other: "Tensor") -> float:
    """Return the norm of the difference of two tensors, relative to the larger one's norm."""
    return float((one - other).norm() / max(one.norm(), other.norm(), _TINY))


@contextmanager
def _scaled(layer: "nn.Module", factor: float) -> Iterator[None]:
    """Within the context, multiply the layer's input by a factor, for later hooks too."""
    from shortstack.models import entering, with_entering

    def scale(_module: "nn.Module", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return with_entering(args, kwargs, entering(args, kwargs) * factor)

    handle = layer.register_forward_pre_hook(scale, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
