"""Wrong tensors: from other layers, shared, untied, rounded, not copied, invented."""

import torch

from mutants.students.correct import averaged
from mutants.students.plain import final_norm, layer_names, plain, wrong


def sharing(teacher, student, copies, _selection):
    """Use the teacher's tensors instead of copies of them."""
    theirs = teacher.state_dict()
    for name, parameter in student.named_parameters():
        parameter.data = theirs[copies[name]]


def untied(_teacher, student, _copies, _selection):
    """Give the head its own rows."""
    head = student.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.detach().clone())


def rounded(_teacher, student, _copies, _selection):
    """Round every weight to bfloat16."""
    for parameter in student.parameters():
        parameter.data = parameter.data.bfloat16().to(parameter.dtype)


def rounded_frequencies(_teacher, student, _copies, _selection):
    """Round buffers to bfloat16, as in a model that is cast after construction."""
    for buffer in student.buffers():
        buffer.data = buffer.data.bfloat16().to(buffer.dtype)


def noisy(_teacher, student, _copies, _selection):
    """Add a little seeded noise to every matrix."""
    generator = torch.Generator().manual_seed(0)
    for parameter in student.parameters():
        noise = torch.randn(parameter.shape, generator=generator) * 0.01
        parameter.data += noise.to(parameter.dtype) * (parameter.dim() > 1)


def forgotten_norm(_teacher, student, copies, _selection):
    """Leave the final norm uninitialised."""
    for name in final_norm(student):
        student.get_parameter(name).data.fill_(torch.nan)
        del copies[name]


def fresh_norm(_teacher, student, copies, _selection):
    """Reset the final norm to 1."""
    for name in final_norm(student):
        student.get_parameter(name).data.fill_(1.0)
        del copies[name]


def drawn(_teacher, student, copies, _selection):
    """Scale the first layer's tensors by an unseeded random number."""
    for name in layer_names(student, 0):
        student.get_parameter(name).data.mul_(0.5 + float(torch.rand(())))
        del copies[name]


def averaged_in_secret(teacher, student, copies, selection):
    """Average layers, and report them as copies."""
    record = dict(copies)
    averaged(teacher, student, copies, selection)
    return record


def misnamed(_teacher, _student, copies, _selection):
    """Report every tensor as a copy of the tensor of the same name."""
    return {name: name for name in copies}


KEPT_WRONG = {"keep-all", "others-skipped", "identity-layer"}

MUTANTS = (
    wrong(
        plain("off-by-one", layer_for=lambda selection, new: min(selection.kept[new] + 1, selection.of - 1)),
        "Each layer is the one after the kept one.",
        breaks={*KEPT_WRONG, "composition", "ties"},  # the last one may come twice
    ),
    wrong(
        plain("reversed", layer_for=lambda selection, new: selection.kept[-1 - new]),
        "The kept layers are in reverse order.",
        breaks={*KEPT_WRONG, "composition"},
    ),
    wrong(plain("misnamed", finish=misnamed), "The map of copies forgets that layers have moved.", breaks={"copies"}),
    wrong(plain("sharing", finish=sharing), "Tensors are handed over instead of copied.", breaks={"unshared"}),
    wrong(
        plain("untied", finish=untied),
        "Tied output rows are copied beside the embeddings.",
        breaks={"ties", "parameter-count"},
        pitfall=16,
    ),
    wrong(
        plain("rounded", finish=rounded),
        "Weights are rounded to bfloat16 and told as copies.",
        breaks={*KEPT_WRONG, "copies"},
    ),
    wrong(
        plain("rounded-frequencies", finish=rounded_frequencies),
        "The frequencies of rotary positions are rounded, which no file carries.",
        breaks={*KEPT_WRONG, "round-trip"},
        pitfall=15,
    ),
    wrong(
        plain("in-float32", finish=lambda _teacher, student, _copies, _selection: student.float() and None),
        "The student is in float32, whatever the teacher is in.",
        breaks={*KEPT_WRONG, "copies", "dtype"},
    ),
    wrong(
        plain("noisy", finish=noisy),
        "Seeded noise is added to the weights, which are told as copies.",
        breaks={*KEPT_WRONG, "copies", "composition"},
    ),
    wrong(
        plain("forgotten-norm", finish=forgotten_norm),
        "The final norm is not written.",
        breaks={
            *KEPT_WRONG,
            "filled",
            "determinism",
            "composition",
            "cached-generation",
            "round-trip",
            "causality",
            "trainable",
            "no-memory",
            "another-machine",
        },
    ),
    wrong(plain("fresh-norm", finish=fresh_norm), "The final norm is not the teacher's.", breaks=KEPT_WRONG),
    wrong(
        plain("drawn", finish=drawn, whole_layers=False),
        "Weights depend on random numbers that nobody seeded.",
        breaks={"determinism"},
    ),
    wrong(
        plain("averaged-in-secret", finish=averaged_in_secret, whole_layers=False),
        "Layers are merged and told as copies.",
        breaks={"copies"},
    ),
    wrong(
        plain("averaged-for-whole", finish=averaged),
        "Layers are merged, though the traits promise whole layers.",
        breaks={"others-skipped", "identity-layer", "composition"},
    ),
)
