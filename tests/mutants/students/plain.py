"""A correct student architecture in a style other than ours, made of parts that mutants replace."""

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
import torch
from transformers import PreTrainedConfig, PreTrainedModel

from mutants.mutant import Mutant
from shortstack.contracts import Selection, StudentDescriptor, StudentTraits
from shortstack.errors import UnsupportedModelError
from shortstack.models import count_parameters

LAYER = re.compile(r"(model\.layers|model\.decoder\.layers|transformer\.h|gpt_neox\.layers)\.(\d+)\.")
PER_LAYER = ("layer_types", "no_rope_layers")

Copies = dict[str, str]
LayerFor = Callable[[Selection, int], int]
Finish = Callable[[PreTrainedModel, PreTrainedModel, Copies, Selection], object]


def planned(config: PreTrainedConfig, selection: Selection) -> PreTrainedConfig:
    """Return the config of the kept layers: depth, lists with one entry per layer, and which layers are dense."""
    student, fields = copy.deepcopy(config), config.to_dict()
    student.num_hidden_layers = len(selection.kept)
    for name in PER_LAYER:
        if fields.get(name):
            setattr(student, name, [fields[name][layer] for layer in selection.kept])
    if "decoder_sparse_step" in fields:
        named, step = fields["mlp_only_layers"] or [], fields["decoder_sparse_step"]
        dense = [new for new, old in enumerate(selection.kept) if old in named or (old + 1) % step]
        student.decoder_sparse_step, student.mlp_only_layers = 1, dense
    return student


def counted(config: PreTrainedConfig) -> int:
    """Count all parameters."""
    return count_parameters(config).total


def the_kept(selection: Selection, new: int) -> int:
    """Return the teacher's layer that becomes the student's layer ``new``."""
    return selection.kept[new]


def nothing(*_: object) -> None:
    """Leave the student as it is."""


@attrs.frozen(kw_only=True)
class Plain:
    """Copies every tensor through the state dicts; a regular expression derives the teacher's name from the student's.

    Attributes:
        plan: A config and a selection → the student's config.
        count: A config → the number of parameters.
        layer_for: A selection and a layer of the student → a layer of the teacher.
        finish: Last step, given teacher, student, copies and selection; returns other copies, or None.
    """

    plan: Callable[[PreTrainedConfig, Selection], PreTrainedConfig] = planned
    count: Callable[[PreTrainedConfig], int] = counted
    layer_for: LayerFor = the_kept
    finish: Finish = nothing

    def shrink(self, config: PreTrainedConfig, selection: Selection) -> PreTrainedConfig:
        """See ``StudentArchitecture``."""
        return self.plan(config, selection)

    def count_parameters(self, config: PreTrainedConfig) -> int:
        """See ``StudentArchitecture``."""
        return self.count(config)

    def transfer(
        self, teacher: PreTrainedModel, student: PreTrainedModel, selection: Selection, calibration: object
    ) -> Copies:
        """See ``StudentArchitecture``."""
        copies = sources(student, lambda new: self.layer_for(selection, new))
        write(teacher, student, copies)
        return self.finish(teacher, student, copies, selection) or copies


def sources(student: PreTrainedModel, layer_for: Callable[[int], int]) -> Copies:
    """Return the student's tensors, each with the teacher's tensor that it comes from."""
    return {
        name: LAYER.sub(lambda found: f"{found[1]}.{layer_for(int(found[2]))}.", name) for name in student.state_dict()
    }


def write(teacher: PreTrainedModel, student: PreTrainedModel, copies: Mapping[str, str]) -> None:
    """Copy each tensor.

    Raises:
        UnsupportedModelError: The layers are of two kinds, so that one does not fit where another was.
    """
    ours, theirs = student.state_dict(), teacher.state_dict()
    for name, source in copies.items():
        if source not in theirs or ours[name].shape != theirs[source].shape:
            raise UnsupportedModelError(f"{source} does not fit {name}")
        ours[name].copy_(theirs[source])


def final_norm(model: PreTrainedModel) -> list[str]:
    """Return the names of the vectors outside the layers."""
    return [name for name, tensor in model.state_dict().items() if tensor.dim() == 1 and not LAYER.match(name)]


def layer_names(model: PreTrainedModel, layer: int) -> list[str]:
    """Return the names of a layer's tensors."""
    return [name for name in model.state_dict() if (found := LAYER.match(name)) and int(found[2]) == layer]


def blocks(model: PreTrainedModel) -> tuple[torch.nn.Module, str]:
    """Return the module that holds the list of layers, and the list's attribute name."""
    path = next(found[1] for name in model.state_dict() if (found := LAYER.match(name)))
    parent, _, name = path.rpartition(".")
    return model.get_submodule(parent), name


def descriptor(name: str, build: Callable[[], Any], *, whole_layers: bool = True) -> StudentDescriptor:
    """Build the descriptor of a student for the kit to check."""
    return StudentDescriptor(
        name=name,
        summary="A student to check.",
        build=lambda _settings: build(),
        traits=StudentTraits(whole_layers=whole_layers),
    )


def plain(name: str, *, whole_layers: bool = True, **parts: Any) -> StudentDescriptor:
    """Build the descriptor of ``Plain`` with other parts."""
    return descriptor(name, lambda: Plain(**parts), whole_layers=whole_layers)


def wrong(component: StudentDescriptor | str, sentence: str, breaks: Iterable[str], **more: Any) -> Mutant:
    """Build a mutant."""
    return Mutant(component=component, kind="student", wrong=sentence, breaks=breaks, **more)
