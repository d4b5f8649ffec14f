"""Architectures that cache teachers, depart from the teacher's config, or do not report their copies."""

import copy

import attrs
import torch

from mutants.students.plain import Plain, descriptor, final_norm, plain, planned, wrong


def with_default_eps(config, selection):
    """Plan with the default epsilon instead of the teacher's."""
    student = planned(config, selection)
    for name in ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"):
        if name in student.to_dict():
            setattr(student, name, 1e-5)
    return student


def with_default_base(config, selection):
    """Plan with the default rotary base instead of the teacher's."""
    student = planned(config, selection)
    parameters = copy.deepcopy(student.to_dict().get("rope_parameters"))
    if parameters:
        for fields in (parameters, *(each for each in parameters.values() if isinstance(each, dict))):
            if "rope_theta" in fields:
                fields["rope_theta"] = 10_000.0
        student.rope_parameters = parameters
    return student


@attrs.frozen
class Silent(Plain):
    """Copies everything and reports no copies."""

    def transfer(self, teacher, student, selection, calibration):
        """Copy, and return an empty map."""
        super().transfer(teacher, student, selection, calibration)
        return {}


@attrs.frozen
class Remembering(Plain):
    """Reads a teacher's weights once, and caches them by the teacher's ``id``.

    Attributes:
        read: Identity → the teacher, and what was read of it.
    """

    read: dict = attrs.field(factory=dict, init=False, eq=False)

    def transfer(self, teacher, student, selection, calibration):
        """Copy the teacher as of its first reading."""
        if id(teacher) not in self.read:
            self.read[id(teacher)] = teacher, copy.deepcopy(teacher)
        return super().transfer(self.read[id(teacher)][1], student, selection, calibration)


def salted(_teacher, student, copies, _selection):
    """Perturb the final norm by random numbers seeded by the salted hash of its name."""
    for name in final_norm(student):
        generator = torch.Generator().manual_seed(hash(name) % 2**31)
        tensor = student.get_parameter(name).data
        tensor.add_(0.01 * torch.randn(tensor.shape, generator=generator).to(tensor.dtype))
        del copies[name]


MUTANTS = (
    wrong(
        plain("usual-epsilon", plan=with_default_eps, whole_layers=False),
        "The norms' epsilon is the usual one, whatever the teacher's is.",
        breaks={"same-scalars"},
    ),
    wrong(
        plain("usual-base", plan=with_default_base, whole_layers=False),
        "The base of the rotary positions is the usual one, whatever the teacher's is.",
        breaks={"same-scalars"},
    ),
    wrong(
        descriptor("silent", Silent),
        "The map of copies is empty, so that nothing is compared and every tensor counts as adapted.",
        breaks={"accounted-for"},
    ),
    wrong(
        descriptor("remembering", Remembering),
        "A teacher's weights are kept by its identity, and are old when it is trained on.",
        breaks={"no-memory"},
    ),
    wrong(
        plain("salted", finish=salted, whole_layers=False),
        "Weights are shaken by numbers drawn from Python's hash, which is another one in every process.",
        breaks={"another-machine"},
    ),
)
