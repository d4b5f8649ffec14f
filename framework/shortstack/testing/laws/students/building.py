"""What the laws of students have in common: how a student is built without its proofs, and what it is asked."""

from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from shortstack.contracts import Selection
from shortstack.students.build import assembled
from shortstack.testing.comparing import require
from shortstack.testing.law import promises
from shortstack.testing.recipes.corpora import Batching, Corpus
from shortstack.testing.recipes.models import VOCABULARY
from shortstack.testing.recipes.prunings import Pruning
from shortstack.testing.subject import Subject

WHOLE_LAYERS = promises("whole_layers")
TOKENS = 10  # more than any window of the families


@attrs.frozen(kw_only=True, eq=False)
class Built:
    """A student that has proved nothing yet.

    Attributes:
        teacher: Whom it was built from, as the architecture left it.
        planned: Its config, before there was a model.
        student: The student.
        copies: The teacher's tensor for each of the student's tensors that is said to be a copy.
    """

    teacher: PreTrainedModel
    planned: PreTrainedConfig
    student: PreTrainedModel
    copies: Mapping[str, str]


def built(subject: Subject, pruning: Pruning, *, seed: int = 0) -> Built:
    """A student of a fresh teacher by a fresh component."""
    return built_from(subject, pruning.teacher.build(), pruning.selection, seed=seed)


def built_from(subject: Subject, teacher: PreTrainedModel, selection: Selection, *, seed: int = 0) -> Built:
    """A student of this teacher by a fresh component; torch's global random state starts at ``seed``."""
    return built_by(subject.build(), teacher, selection, seed=seed)


def built_by(method: Any, teacher: PreTrainedModel, selection: Selection, *, seed: int = 0) -> Built:
    """A student of this teacher by an architecture that may have built others before."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        planned = method.shrink(teacher.config, selection)
        student, copies = assembled(teacher, planned, selection, method, _calibration())
        return Built(teacher=teacher, planned=planned, student=student, copies=copies)


def prompt() -> Tensor:
    """int64 ``(2, tokens)``: random tokens, the same each time."""
    return torch.randint(0, VOCABULARY, (2, TOKENS), generator=torch.Generator().manual_seed(0))


def logits(model: PreTrainedModel, tokens: Tensor | None = None) -> Tensor:
    """``(2, tokens, vocabulary)``: what a model says to the prompt, or to other tokens, in one pass without dropout."""
    tokens = prompt() if tokens is None else tokens
    with torch.no_grad():
        found: Tensor = model.eval()(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).logits
    return found


def require_equal(actual: Tensor, expected: Tensor, what: str) -> None:
    """Two tensors are equal bit for bit, but that ``-0.0`` is ``0.0``.

    Raises:
        AssertionError: They are not; says how far they are apart.
    """
    same = actual.shape == expected.shape and actual.dtype == expected.dtype
    require(same, f"{what}: {_form(actual)} instead of {_form(expected)}")
    apart = (actual.double() - expected.double()).abs().max()
    require(torch.equal(actual, expected), f"{what} differ, by up to {float(apart):.3g}; they should be equal")


def require_same_tensors(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> None:
    """Two state dicts have the same names and tensors.

    Raises:
        AssertionError: They have not; names a tensor.
    """
    odd = sorted(actual.keys() ^ expected.keys())
    require(not odd, f"{what}: {', '.join(odd)} is not in both")
    for name, tensor in expected.items():
        require_equal(actual[name], tensor, f"{what}: the values of {name}")


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _calibration() -> list[dict[str, Tensor]]:
    """Two batches, for architectures that look at data."""
    return Batching(sizes=(2,)).batches(Corpus(lengths=(9, 6, 8, 5)).examples())
