"""The student's tensors: all written, copies where declared, not shared with the teacher, and tied as there."""

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


@law("student", pruning=prunings())
def filled(subject: Subject, *, pruning: Pruning) -> None:
    """Every tensor of the student is written: all start as NaN."""
    for name, tensor in built(subject, pruning).student.state_dict().items():
        require(not bool(tensor.isnan().any()), f"{name} was not written, or not wholly")


@law("student", pruning=prunings())
def copies(subject: Subject, *, pruning: Pruning) -> None:
    """A tensor declared to be a copy of a teacher's tensor equals it, bit for bit, dtype included."""
    result = built(subject, pruning)
    ours, theirs = result.student.state_dict(), pruning.teacher.build().state_dict()
    for name, source in result.copies.items():
        require(name in ours and source in theirs, f"{name} ← {source}: there is no such tensor")
        require_equal(ours[name], theirs[source], f"the values of {name} and of the teacher's {source}")


@law("student", pruning=prunings(layers=(2, 4), dropping=True))
def accounted_for(subject: Subject, *, pruning: Pruning) -> None:
    """A tensor not declared a copy differs from the kept layer's own tensor, if layers are dropped.

    It may equal another layer's tensor: a kept layer that absorbs the one dropped behind it may become that one.
    """
    result = built(subject, pruning)
    theirs, path = pruning.teacher.build().state_dict(), Decoder.of(result.student).path
    for name, tensor in result.student.state_dict().items():
        source = theirs.get(_name_before(name, path, pruning.kept))
        if name not in result.copies and source is not None and tensor.unique().numel() > 1:
            require(not _equal(tensor, source), f"{name} is the teacher's, but it is not in the map of copies")


def _name_before(name: str, path: str, kept: Sequence[int]) -> str:
    """Return the teacher's name for a tensor of the student."""
    if not name.startswith(f"{path}."):
        return name
    index, rest = name.removeprefix(f"{path}.").split(".", 1)
    return f"{path}.{kept[int(index)]}.{rest}"


@law("student", pruning=prunings())
def determinism(subject: Subject, *, pruning: Pruning) -> None:
    """The same teacher and layers give the same student, whatever the random state."""
    first, second = (built(subject, pruning, seed=seed) for seed in (1, 2))

    require(first.planned.to_dict() == second.planned.to_dict(), "two plans for the same layers differ")
    require(first.copies == second.copies, "two students of the same layers are copies of other tensors")
    require_same_tensors(second.student.state_dict(), first.student.state_dict(), "two students of the same layers")


@law("student", pruning=prunings())
def dtype(subject: Subject, *, pruning: Pruning) -> None:
    """Every parameter of the student has the teacher's dtype."""
    wanted = getattr(torch, pruning.teacher.dtype)
    for name, parameter in built(subject, pruning).student.named_parameters():
        require(parameter.dtype == wanted, f"{name} is {parameter.dtype}, the teacher is {wanted}")


@law("student", pruning=prunings())
def unshared(subject: Subject, *, pruning: Pruning) -> None:
    """Changing every tensor of the student, buffers included, changes no tensor of the teacher."""
    result = built(subject, pruning)
    before = {name: tensor.clone() for name, tensor in _tensors(result.teacher)}
    for _, tensor in _tensors(result.student):
        tensor.fill_(-77)

    for name, tensor in _tensors(result.teacher):
        require(torch.equal(tensor, before[name]), f"the teacher's {name} changed when the student's tensors did")


@law("student", pruning=prunings())
def ties(subject: Subject, *, pruning: Pruning) -> None:
    """Tensors that are tied in the teacher are tied in the student, and no others: tied embeddings stay tied."""
    result = built(subject, pruning)
    tied = _head_is_embedding(result.teacher)
    ours, theirs = result.student.state_dict(), result.teacher.state_dict()
    require(_head_is_embedding(result.student) == tied, f"tied embeddings: {not tied}; the teacher's: {tied}")
    for name, other_name in combinations(sorted(result.copies), 2):
        here = _storage(ours[name]) == _storage(ours[other_name])
        there = _storage(theirs[result.copies[name]]) == _storage(theirs[result.copies[other_name]])
        require(here == there, f"{name} and {other_name} are one tensor: {here}; in the teacher: {there}")


def _equal(tensor: Tensor, other: Tensor) -> bool:
    return tensor.dtype == other.dtype and tensor.shape == other.shape and torch.equal(tensor, other)


def _tensors(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters and buffers, saved or not."""
    yield from ((name, parameter.data) for name, parameter in model.named_parameters())
    yield from model.named_buffers()


def _head_is_embedding(model: PreTrainedModel) -> bool:
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
