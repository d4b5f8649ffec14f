"""``compact``: fewer layers, and narrower ones, with the teacher's weights in the channels that are kept."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import attrs

from shortstack.contracts import Selection, StudentDescriptor, StudentTraits
from shortstack.errors import UnsupportedModelError
from shortstack_students.widths import FAMILIES, Widths, amount, family_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from shortstack_students.channels import Channels, Scores
    from shortstack_students.widths import Family


@attrs.frozen(kw_only=True)
class CompactSettings:
    """Settings of ``compact``.

    Widths are a share of the teacher's, a float in (0, 1], rounded down, or a whole count.

    Attributes:
        hidden_size: Width of the residual stream.
        key_value_heads: Key and value heads, each with the query heads that share it; heads keep their width.
        intermediate_size: Neurons of each MLP.
        channels: The channels to keep: those with the largest activations on the calibration examples, those with the
            largest weights, or random ones (seeded), for comparison.
        seed: Seed of random channels.
    """

    hidden_size: int | float = attrs.field(default=1.0, validator=amount)
    key_value_heads: int | float = attrs.field(default=1.0, validator=amount)
    intermediate_size: int | float = attrs.field(default=1.0, validator=amount)
    channels: Literal["activations", "magnitude", "random"] = "activations"
    seed: int = 0


@attrs.frozen
class Compact:
    """A student of some of the layers, and some of their channels.

    Attributes:
        settings: The widths, and the choice of channels.
    """

    settings: CompactSettings = attrs.field(factory=CompactSettings)

    def shrink(self, config: "PreTrainedConfig", selection: Selection) -> "PreTrainedConfig":
        """See ``StudentArchitecture``."""
        from shortstack_students.attention_scale import FLAG
        from shortstack_students.layer_fields import subset

        family = family_of(config)
        if config.to_dict().get(FLAG):
            raise UnsupportedModelError(f"compact cannot narrow a {config.model_type} with {FLAG}; use layer-subset")
        student = subset(config, selection)
        self._left(config).write_to(student, family)
        return student

    def count_parameters(self, config: "PreTrainedConfig") -> int:
        """See ``StudentArchitecture``."""
        from shortstack.models import count_parameters

        return count_parameters(config).total

    def transfer(
        self,
        teacher: "PreTrainedModel",
        student: "PreTrainedModel",
        selection: Selection,
        calibration: "Iterable[dict[str, Tensor]]",
    ) -> dict[str, str]:
        """See ``StudentArchitecture``."""
        from shortstack_students.layer_subset import copy_tensors
        from shortstack_students.norms import rescale

        family, whole, left = family_of(teacher.config), Widths.of(teacher.config), self._left(teacher.config)
        batches = list(calibration)
        channels = self._scores(teacher, family, selection, whole, batches).best(left)
        slices = sliced(teacher, student, selection, family, channels)
        copies = {name: source for name, (source, _) in slices.items() if _is_whole(teacher, student, name, source)}
        copy_tensors(teacher, student, copies)
        targets = dict(student.named_parameters()) | dict(student.named_buffers())
        for name, (_, tensor) in slices.items():
            if name in targets and name not in copies:
                targets[name].data = tensor.detach().clone()
        if left.hidden < whole.hidden:
            # a rescaled tensor is no longer a copy of the teacher's
            for name in rescale(teacher, student, selection.kept, channels.hidden, batches):
                copies.pop(name, None)
        return copies

    def _left(self, config: "PreTrainedConfig") -> Widths:
        settings = self.settings
        return Widths.of(config).narrowed(
            hidden=settings.hidden_size, groups=settings.key_value_heads, mlp=settings.intermediate_size
        )

    def _scores(
        self,
        teacher: "PreTrainedModel",
        family: "Family",
        selection: Selection,
        whole: Widths,
        batches: "Sequence[Mapping[str, Tensor]]",
    ) -> "Scores":
        from shortstack_students.channels import at_random, by_activations, by_magnitude
        from shortstack_students.stream import required

        # where no channel is removed, scores do not matter, and no calibration examples are needed
        if self.settings.channels == "random" or self._left(teacher.config) == whole:
            return at_random(selection, whole, self.settings.seed)
        if self.settings.channels == "magnitude":
            return by_magnitude(teacher, family, selection, whole)
        return by_activations(teacher, family, selection, whole, required(batches, "channels = 'activations'"))


DESCRIPTOR = StudentDescriptor(
    name="compact",
    summary=f"Fewer layers and narrower ones, channels chosen by activations; for {', '.join(FAMILIES)}.",
    build=Compact,
    config=CompactSettings,
    traits=StudentTraits(whole_layers=False),
    reference="https://arxiv.org/abs/2407.14679",
)


def sliced(
    teacher: "PreTrainedModel",
    student: "PreTrainedModel",
    selection: Selection,
    family: "Family",
    channels: "Channels",
) -> "dict[str, tuple[str, Tensor]]":
    """Return the student's tensors: name → name of the teacher's tensor, and its kept part.

    Raises:
        UnsupportedModelError: The model has a tensor that the family's table does not know.
    """
    from shortstack.models import Decoder

    path, whole, sources = Decoder.of(teacher).path, Widths.of(teacher.config), teacher.state_dict()
    slices = {}
    for name in student.state_dict():
        inside = name.startswith(f"{path}.")
        index, _, rest = name.removeprefix(f"{path}.").partition(".") if inside else ("", "", name)
        source = f"{path}.{selection.kept[int(index)]}.{rest}" if inside else name
        axes = next((axes for end, axes in family.axes.items() if f".{name}".endswith(f".{end}")), None)
        if axes is None or source not in sources or sources[source].dim() != len(axes):
            raise UnsupportedModelError(f"compact does not know what {name} of {type(teacher).__name__} runs over")
        tensor = sources[source]
        for dimension, axis in enumerate(axes):
            stays = channels.along(axis, int(index) if inside else None, whole)
            tensor = tensor if stays is None else tensor.index_select(dimension, stays.to(tensor.device))
        slices[name] = (source, tensor)
    dropped = tuple(f"{path}.{layer}." for layer in range(selection.of) if layer not in selection.kept)
    forgotten = {name for name in sources if not name.startswith(dropped)} - {source for source, _ in slices.values()}
    if forgotten:
        raise UnsupportedModelError(f"compact does not know what {min(forgotten)} of {type(teacher).__name__} is for")
    return slices


def _is_whole(teacher: "PreTrainedModel", student: "PreTrainedModel", name: str, source: str) -> bool:
    """Return True if the student's tensor has the full shape of the teacher's."""
    return bool(teacher.state_dict()[source].shape == student.state_dict()[name].shape)
