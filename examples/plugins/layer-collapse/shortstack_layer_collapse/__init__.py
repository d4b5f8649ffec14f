"""``layer-collapse``: the differences of dropped layers are added to the kept layer before them.

Source: Yang, Cao & Zhao 2024, "LaCo: Large Language Model Pruning via Layer Collapse", arXiv 2402.11187:
``θ*_k = θ_k + Σ_j (θ_j − θ_k)``, "reserving differences while seeking common".
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs
from attrs import validators

from shortstack import Registry
from shortstack.contracts import Selection, StudentArchitecture, StudentDescriptor, StudentTraits
from shortstack.errors import UnsupportedModelError
from shortstack.hooks import hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig, PreTrainedModel


@attrs.frozen(kw_only=True)
class LayerCollapseSettings:
    """The settings of ``layer-collapse``.

    Attributes:
        strength: Factor of the differences: 1 is the paper's, 0 leaves them out.
    """

    strength: float = attrs.field(default=1.0, validator=[validators.ge(0.0), validators.lt(float("inf"))])


@attrs.frozen
class LayerCollapse:
    """The kept layers of ``layer-subset``, each with the differences of the layers dropped after it added.

    Layers dropped before the first kept one are left out: there is no layer below to add them to.
    """

    subset: StudentArchitecture
    strength: float

    def shrink(self, config: "PreTrainedConfig", selection: Selection) -> "PreTrainedConfig":
        """See ``StudentArchitecture``."""
        return self.subset.shrink(config, selection)

    def count_parameters(self, config: "PreTrainedConfig") -> int:
        """See ``StudentArchitecture``."""
        return self.subset.count_parameters(config)

    def transfer(
        self,
        teacher: "PreTrainedModel",
        student: "PreTrainedModel",
        selection: Selection,
        calibration: "Iterable[dict[str, Tensor]]",
    ) -> dict[str, str]:
        """See ``StudentArchitecture``; tensors with added differences are no longer copies.

        Raises:
            UnsupportedModelError: The layers are not all built alike, or a layer's weights depend on its position.
        """
        from shortstack.models import Decoder

        copies = self.subset.transfer(teacher, student, selection, calibration)
        theirs, ours = Decoder.of(teacher), Decoder.of(student)
        for new, (kept, dropped) in enumerate(dropped_after(selection)):
            prefix = f"{ours.path}.{new}."
            _refuse_moved(prefix, ours.layers[new], copies, f"layer {kept} of {type(teacher).__name__}")
            if not dropped or not self.strength:
                continue
            others = [_like(theirs.layers[kept], theirs.layers[j], kept, j) for j in dropped]
            for name, parameter in ours.layers[new].named_parameters():
                parameter.data = collapsed(parameter.data, [other[name] for other in others], self.strength)
                del copies[prefix + name]
        return copies


def dropped_after(selection: Selection) -> list[tuple[int, range]]:
    """Return each kept layer with the dropped ones between it and the next.

    >>> dropped_after(Selection(kept=(1, 2, 5), of=8))
    [(1, range(2, 2)), (2, range(3, 5)), (5, range(6, 8))]
    """
    return [
        (kept, range(kept + 1, following))
        for kept, following in zip(selection.kept, (*selection.kept[1:], selection.of), strict=True)
    ]


def collapsed(kept: "Tensor", dropped: "list[Tensor]", strength: float) -> "Tensor":
    """Return ``θ_k + strength · Σ_j (θ_j − θ_k)``, summed in float32 or wider, in ``θ_k``'s dtype.

    Args:
        kept: ``θ_k``.
        dropped: The ``θ_j``, of the same shape.
        strength: 1 in the paper.

    >>> import torch
    >>> collapsed(torch.tensor([1.0]), [torch.tensor([2.0]), torch.tensor([4.0])], 1.0)
    tensor([5.])
    """
    import torch

    wide = kept.to(torch.promote_types(kept.dtype, torch.float32))
    merged: Tensor = wide + strength * sum((other.to(wide) - wide for other in dropped), torch.zeros_like(wide))
    return merged.to(kept.dtype)


def _refuse_moved(prefix: str, layer: "nn.Module", copies: Mapping[str, str], what: str) -> None:
    """Raise if a weight was changed for its new position: it cannot be compared with those of other layers.

    Raises:
        UnsupportedModelError: A weight was changed.
    """
    for name, _ in layer.named_parameters():
        if prefix + name not in copies:
            raise UnsupportedModelError(
                f"{what} cannot take up others: its {name} depends on the layer's place; use layer-subset"
            )


def _like(kept: "nn.Module", dropped: "nn.Module", at: int, index: int) -> "dict[str, Tensor]":
    """Return a dropped layer's parameters, which must match those of the kept one in name and shape.

    Raises:
        UnsupportedModelError: They do not.
    """
    wanted = {name: parameter.shape for name, parameter in kept.named_parameters()}
    parameters = {name: parameter.detach() for name, parameter in dropped.named_parameters()}
    odd = sorted(
        name
        for name in wanted.keys() | parameters
        if name not in parameters or wanted.get(name) != parameters[name].shape
    )
    if odd:
        raise UnsupportedModelError(
            f"layer {index} cannot be collapsed into layer {at}, which is built otherwise: {odd[0]} is not in both or "
            "has another shape; keep it, or use layer-subset"
        )
    return parameters


def _build(settings: LayerCollapseSettings) -> LayerCollapse:
    # with the plugin's name, for another plugin may have a component of the same short name
    plain = Registry.from_environment().build("student", "shortstack/layer-subset")
    return LayerCollapse(subset=plain, strength=settings.strength)


DESCRIPTOR = StudentDescriptor(
    name="layer-collapse",
    summary="The kept layers, each with the differences of the layers dropped after it; a stock model.",
    build=_build,
    config=LayerCollapseSettings,
    reference="Yang, Cao & Zhao 2024, arXiv 2402.11187",
    traits=StudentTraits(whole_layers=False),
)


@hookimpl
def shortstack_students() -> Iterator[StudentDescriptor]:
    """Yield the architecture."""
    yield DESCRIPTOR
