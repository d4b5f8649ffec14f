"""Correct student architectures in several styles."""

import copy

import attrs
import torch

from mutants.mutant import Subject
from mutants.students.plain import (
    LAYER,
    Plain,
    blocks,
    descriptor,
    final_norm,
    layer_names,
    plain,
    planned,
    sources,
    write,
)
from shortstack.contracts import StudentDescriptor, StudentTraits
from shortstack_students.layer_subset import LayerSubset


@attrs.frozen
class Blocks:
    """Copies the teacher's layer modules whole, with their new indices; the rest tensor by tensor."""

    def shrink(self, config, selection):
        """See ``StudentArchitecture``."""
        return planned(config, selection)

    def count_parameters(self, config):
        """See ``StudentArchitecture``."""
        return LayerSubset().count_parameters(config)

    def transfer(self, teacher, student, selection, calibration):
        """See ``StudentArchitecture``."""
        copies = transplanted(teacher, student, selection)
        for new, layer in enumerate(getattr(*blocks(student))):
            for module in layer.modules():
                if "layer_idx" in vars(module):
                    module.layer_idx = new
        return copies


def transplanted(teacher, student, selection):
    """Put copies of the teacher's layer modules into the student, each unchanged, its index included."""
    copies = sources(student, lambda new: selection.kept[new])
    write(teacher, student, {name: source for name, source in copies.items() if not LAYER.match(name)})
    parent, name = blocks(student)
    theirs = getattr(*blocks(teacher))
    setattr(parent, name, torch.nn.ModuleList(copy.deepcopy(theirs[old]) for old in selection.kept))
    return copies


def averaged(teacher, student, copies, selection):
    """Replace each kept layer by the mean of itself and the dropped layers up to the next, where shapes match."""
    ours, theirs = student.state_dict(), teacher.state_dict()
    for new, (old, end) in enumerate(zip(selection.kept, (*selection.kept[1:], selection.of), strict=True)):
        for name in layer_names(student, new) if end > old + 1 else ():
            tail = name[LAYER.match(name).end() :]
            group = [theirs.get(f"{LAYER.match(name)[1]}.{layer}.{tail}") for layer in range(old, end)]
            if all(tensor is not None and tensor.shape == ours[name].shape for tensor in group):
                ours[name].copy_(torch.stack(group).double().mean(0))
                del copies[name]


@attrs.frozen(kw_only=True)
class Factor:
    """The setting of ``louder``.

    Attributes:
        factor: Multiplier of the final norm.
    """

    factor: float = 1.5


@attrs.frozen
class Louder:
    """Wraps ``layer-subset`` and multiplies the weight of the final norm, which is then no copy."""

    inner: LayerSubset
    factor: float

    def shrink(self, config, selection):
        """See ``StudentArchitecture``."""
        return self.inner.shrink(config, selection)

    def count_parameters(self, config):
        """See ``StudentArchitecture``."""
        return self.inner.count_parameters(config)

    def transfer(self, teacher, student, selection, calibration):
        """See ``StudentArchitecture``."""
        copies = self.inner.transfer(teacher, student, selection, calibration)
        for name in final_norm(student):
            student.get_parameter(name).data.mul_(self.factor)
            del copies[name]
        return copies


@attrs.frozen
class Levelled:
    """Uses calibration data: the final norm is scaled by the ratio of the teacher's and the student's logit sizes."""

    def shrink(self, config, selection):
        """See ``StudentArchitecture``."""
        return planned(config, selection)

    def count_parameters(self, config):
        """See ``StudentArchitecture``."""
        return LayerSubset().count_parameters(config)

    def transfer(self, teacher, student, selection, calibration):
        """See ``StudentArchitecture``."""
        copies = Plain().transfer(teacher, student, selection, calibration)
        ratios = [_loudness(teacher, batch) / _loudness(student, batch) for batch in calibration]
        for name in final_norm(student):
            student.get_parameter(name).data.mul_(sum(ratios) / len(ratios))
            del copies[name]
        return copies


def _loudness(model, batch):
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    return float(logits[batch["attention_mask"].bool()].double().std())


BY_HAND = plain("by-hand")
BLOCKS = descriptor("blocks", Blocks)
AVERAGED = plain("averaged", finish=averaged, whole_layers=False)
LEVELLED = descriptor("levelled", Levelled, whole_layers=False)
LOUDER = StudentDescriptor(
    name="louder",
    summary="The kept layers, and a louder final norm.",
    build=lambda settings: Louder(LayerSubset(), settings.factor),
    config=Factor,
    traits=StudentTraits(whole_layers=False),
)

HALVED: dict[str, object] = {"hidden_size": 0.5, "key_value_heads": 0.5, "intermediate_size": 0.5}

CORRECT = (
    Subject(kind="student", component="layer-subset"),
    Subject(kind="student", component="compact"),
    Subject(kind="student", component="compact", settings=HALVED),
    Subject(kind="student", component="compact", settings=HALVED | {"channels": "magnitude"}),
    Subject(kind="student", component="replacement-layer", settings={"steps": 5}),
    Subject(kind="student", component=BY_HAND),
    Subject(kind="student", component=BLOCKS),
    Subject(kind="student", component=AVERAGED),
    Subject(kind="student", component=LEVELLED),
    Subject(kind="student", component=LOUDER),
    Subject(kind="student", component=LOUDER, settings={"factor": 0.5}),
)
