"""The student's tensors: all written, copies where it says so, its own, and tied as the teacher's are."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import torch
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.models import Decoder
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.students.building import built, require_equal, require_same_tensors
from shortstack.testing.recipes.prunings import Pruning
from shortstack.testing.strategies import prunings
from shortstack.testing.subject import Subject


@law("student", 29, pruning=prunings())
def filled(subject: Subject, *, pruning: Pruning) -> None:
    """Every tensor of the student is written: they are NaN before."""
    for name, tensor in built(subject, pruning).student.state_dict().items():
        require(not bool(tensor.isnan().any()), f"{name} was not written, or not wholly")


@law("student", 29, pruning=prunings())
def copies(subject: Subject, *, pruning: Pruning) -> None:
    """What is said to be a copy of a teacher's tensor equals it bit for bit, dtype included."""
    found = built(subject, pruning)
    ours, theirs = found.student.state_dict(), pruning.teacher.build().state_dict()
    for name, source in found.copies.items():
        require(name in ours and source in theirs, f"{name} ← {source}: there is no such tensor")
        require_equal(ours[name], theirs[source], f"the values of {name} and of the teacher's {source}")


@law("student", 70, pruning=prunings(layers=(2, 4), dropping=True))
def accounted_for(subject: Subject, *, pruning: Pruning) -> None:
    """Where layers go, a tensor that is not said to be a copy is not the kept layer's own: nothing is called adapted that was not.

    It may equal another layer's: a kept layer that takes up the one dropped behind it is that one.
    """
    found = built(subject, pruning)
    theirs, path = pruning.teacher.build().state_dict(), Decoder.of(found.student).path
    for name, tensor in found.student.state_dict().items():
        source = theirs.get(_name_before(name, path, pruning.kept))
        if name not in found.copies and source is not None and tensor.unique().numel() > 1:
            require(not _equal(tensor, source), f"{name} is the teacher's, but it is not in the map of copies")


def _name_before(name: str, path: str, kept: Sequence[int]) -> str:
    """What a tensor of the student is called in the teacher."""
    if not name.startswith(f"{path}."):
        return name
    index, rest = name.removeprefix(f"{path}.").split(".", 1)
    return f"{path}.{kept[int(index)]}.{rest}"


@law("student", 33, pruning=prunings())
def determinism(subject: Subject, *, pruning: Pruning) -> None:
    """The same teacher and layers give the same student, whatever the random state."""
    first, second = (built(subject, pruning, seed=seed) for seed in (1, 2))

    require(first.planned.to_dict() == second.planned.to_dict(), "two plans for the same layers differ")
    require(first.copies == second.copies, "two students of the same layers are copies of other tensors")
    require_same_tensors(second.student.state_dict(), first.student.state_dict(), "two students of the same layers")


@law("student", 34, pruning=prunings())
def dtype(subject: Subject, *, pruning: Pruning) -> None:
    """Every parameter of the student has the teacher's dtype."""
    wanted = getattr(torch, pruning.teacher.dtype)
    for name, parameter in built(subject, pruning).student.named_parameters():
        require(parameter.dtype == wanted, f"{name} is {parameter.dtype}, the teacher is {wanted}")


@law("student", 35, pruning=prunings())
def unshared(subject: Subject, *, pruning: Pruning) -> None:
    """Changing every tensor of the student, buffers included, changes no tensor of the teacher."""
    found = built(subject, pruning)
    before = {name: tensor.clone() for name, tensor in _tensors(found.teacher)}
    for _, tensor in _tensors(found.student):
        tensor.fill_(-77)

    for name, tensor in _tensors(found.teacher):
        require(torch.equal(tensor, before[name]), f"the teacher's {name} changed when the student's tensors did")


@law("student", 35, pruning=prunings())
def ties(subject: Subject, *, pruning: Pruning) -> None:
    """What is one tensor in the teacher is one in the student, and no more: tied embeddings stay tied, others untied."""
    found = built(subject, pruning)
    tied = _head_is_embedding(found.teacher)
    ours, theirs = found.student.state_dict(), found.teacher.state_dict()
    require(_head_is_embedding(found.student) == tied, f"tied embeddings: {not tied}; the teacher's: {tied}")
    for one, other in combinations(sorted(found.copies), 2):
        here = _storage(ours[one]) == _storage(ours[other])
        there = _storage(theirs[found.copies[one]]) == _storage(theirs[found.copies[other]])
        require(here == there, f"{one} and {other} are one tensor: {here}; in the teacher: {there}")


def _equal(tensor: Tensor, other: Tensor) -> bool:
    return tensor.dtype == other.dtype and tensor.shape == other.shape and torch.equal(tensor, other)


def _tensors(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers, saved ones or not."""
    yield from ((name, parameter.data) for name, parameter in model.named_parameters())
    yield from model.named_buffers()


def _head_is_embedding(model: PreTrainedModel) -> bool:
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
