"""Selection of the channels of the residual stream, heads and neurons that a compact student keeps.

By activations: Muralidharan et al. 2024, Minitron, arXiv 2407.14679, section 2.2, with means of absolute values over tokens
and layers for channels, over tokens for neurons, and of norms for heads.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
import torch

from shortstack.contracts import Selection
from shortstack_students.stream import recorded
from shortstack_students.widths import Family, Widths

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from shortstack_students.stream import Point


@attrs.frozen(kw_only=True, eq=False)
class Channels:
    """Indices that are kept, ascending int64; those of heads and neurons for each layer of the student.

    Attributes:
        hidden: Channels of the residual stream.
        groups: Key and value heads, each with the query heads that share it.
        mlp: Neurons of the MLP.
    """

    hidden: "Tensor"
    groups: "tuple[Tensor, ...]"
    mlp: "tuple[Tensor, ...]"

    def along(self, axis: str, layer: int | None, whole: Widths) -> "Tensor | None":
        """Return the kept indices along an axis of a tensor; None where all are kept.

        Args:
            axis: As in ``widths.Axes``.
            layer: Index of the student's layer; None outside the layers.
            whole: The teacher's sizes.
        """
        if axis == "hidden":
            return self.hidden
        if axis == "" or layer is None:
            return None
        keys, queries = _spread(self.groups[layer], whole.head), _spread(self.groups[layer], whole.queries * whole.head)
        first_key, neurons = whole.groups * whole.queries * whole.head, self.mlp[layer]
        return {
            "key": keys,
            "query": queries,
            "mlp": neurons,
            "qkv": torch.cat([queries, keys + first_key, keys + first_key + whole.groups * whole.head]),
            "gate-up": torch.cat([neurons, neurons + whole.mlp]),
        }[axis]


def _spread(units: "Tensor", size: int) -> "Tensor":
    """Expand indices of units (heads) of some size to the indices of their channels."""
    return (units[:, None] * size + torch.arange(size, device=units.device)).flatten()


@attrs.frozen(kw_only=True, eq=False)
class Scores:
    """Importance of each channel, head and neuron: float64, higher means keep.

    Attributes:
        hidden: ``(hidden,)``.
        groups: ``(groups,)``, one tensor for each kept layer.
        mlp: ``(mlp,)``, one tensor for each kept layer.
    """

    hidden: "Tensor"
    groups: "Sequence[Tensor]"
    mlp: "Sequence[Tensor]"

    def best(self, left: Widths) -> Channels:
        """Return the channels with the highest scores, ties to the lowest index."""
        return Channels(
            hidden=_best(self.hidden, left.hidden),
            groups=tuple(_best(scores, left.groups) for scores in self.groups),
            mlp=tuple(_best(scores, left.mlp) for scores in self.mlp),
        )


def _best(scores: "Tensor", count: int) -> "Tensor":
    # a stable sort gives ties to the lowest index; the second one restores the order
    return scores.sort(descending=True, stable=True).indices[:count].sort().values


def by_activations(
    teacher: "PreTrainedModel",
    family: Family,
    selection: Selection,
    whole: Widths,
    batches: "Sequence[Mapping[str, Tensor]]",
) -> Scores:
    """Score channels by absolute outputs of the norms, heads by norms of their outputs, neurons by absolute activations."""
    from shortstack.models import Decoder

    layers = Decoder.of(teacher).layers
    kept = [layers[layer] for layer in selection.kept]
    # one pass of the calibration examples records all points
    points: dict[str, Point] = {"last": (teacher.get_submodule(family.last_norm), "out")}
    for place, layer in enumerate(kept):
        points |= {f"norm {place} {name}": (layer.get_submodule(name), "out") for name in family.norms}
        points |= {f"heads {place}": (layer.get_submodule(family.reads_heads), "in")}
        points |= {f"mlp {place}": (layer.get_submodule(family.reads_mlp), "in")}
    sums: dict[str, Tensor] = {}
    for states in recorded(teacher, batches, points):
        for name, values in states.items():
            sums[name] = _summed(name, values, whole) + sums.get(name, 0)
    norms = [total for name, total in sums.items() if name.startswith(("norm", "last"))]
    return Scores(
        hidden=torch.stack(norms).sum(0),
        groups=[sums[f"heads {place}"] for place in range(len(kept))],
        mlp=[sums[f"mlp {place}"] for place in range(len(kept))],
    )


def _summed(name: str, states: "Tensor", whole: Widths) -> "Tensor":
    """Sum absolute values over tokens; for heads the norms of each group, ``(groups,)``."""
    if name.startswith("heads"):
        states = states.unflatten(-1, (whole.groups, -1)).norm(dim=-1)
    return states.abs().sum(0)


def by_magnitude(teacher: "PreTrainedModel", family: Family, selection: Selection, whole: Widths) -> Scores:
    """Score by sums of absolute weights: of the embedding and all matrices that read a channel, a head or a neuron."""
    from shortstack.models import Decoder

    layers = Decoder.of(teacher).layers
    kept = [layers[layer] for layer in selection.kept]
    hidden = teacher.get_input_embeddings().weight.double().abs().sum(0)
    for layer in kept:
        for name, parameter in layer.named_parameters():
            axes = next(axes for end, axes in family.axes.items() if f".{name}".endswith(f".{end}"))
            if len(axes) > 1 and "hidden" in axes:
                hidden = hidden + parameter.double().abs().sum(1 - axes.index("hidden"))
    heads = [_read(layer, family.reads_heads).unflatten(0, (whole.groups, -1)).sum(-1) for layer in kept]
    return Scores(hidden=hidden, groups=heads, mlp=[_read(layer, family.reads_mlp) for layer in kept])


def _read(layer: "nn.Module", name: str) -> "Tensor":
    """Sum the absolute weights of a module over its outputs, for each of its inputs."""
    module = layer.get_submodule(name)
    weight = dict(module.named_parameters())["weight"].double().abs()
    return weight.sum(0 if isinstance(module, torch.nn.Linear) else 1)


def at_random(selection: Selection, whole: Widths, seed: int) -> Scores:
    """Draw seeded random scores, the same on every machine: a baseline for the others."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(size: int) -> "Tensor":
        return torch.rand(size, generator=generator, dtype=torch.float64)

    places = range(len(selection.kept))
    return Scores(
        hidden=drawn(whole.hidden), groups=[drawn(whole.groups) for _ in places], mlp=[drawn(whole.mlp) for _ in places]
    )
