"""Helpers of the laws of students: build a student without its checks, compute its logits, compare tensors."""

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
TOKENS = 10  # longer than the attention window of every family


@attrs.frozen(kw_only=True, eq=False)
class Built:
    """Student whose construction has not been checked yet.

    Attributes:
        teacher: The teacher that it was built from, as the architecture left it.
        planned: The student's config as planned, before there was a model.
        student: The student.
        copies: Name of the teacher's tensor for each of the student's tensors declared to be a copy.
    """

    teacher: PreTrainedModel
    planned: PreTrainedConfig
    student: PreTrainedModel
    copies: Mapping[str, str]


def built(subject: Subject, pruning: Pruning, *, seed: int = 0) -> Built:
    """Return the student that a fresh component makes of a fresh teacher."""
    return built_from(subject, pruning.teacher.build(), pruning.selection, seed=seed)


def built_from(subject: Subject, teacher: PreTrainedModel, selection: Selection, *, seed: int = 0) -> Built:
    """Return the student that a fresh component makes of this teacher, with torch's global generator seeded."""
    return built_by(subject.build(), teacher, selection, seed=seed)


def built_by(method: Any, teacher: PreTrainedModel, selection: Selection, *, seed: int = 0) -> Built:
    """Return the student that an architecture, which may have built others before, makes of this teacher."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        planned = method.shrink(teacher.config, selection)
        student, copies = assembled(teacher, planned, selection, method, _calibration())
        return Built(teacher=teacher, planned=planned, student=student, copies=copies)


def prompt() -> Tensor:
    """Return random tokens, int64 ``(2, tokens)``, the same each time."""
    return torch.randint(0, VOCABULARY, (2, TOKENS), generator=torch.Generator().manual_seed(0))


def logits(model: PreTrainedModel, tokens: Tensor | None = None) -> Tensor:
    """Return the logits ``(2, tokens, vocabulary)`` for the prompt, or for other tokens, without cache or dropout."""
    tokens = prompt() if tokens is None else tokens
    with torch.no_grad():
        result: Tensor = model.eval()(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).logits
    return result


def require_equal(actual: Tensor, expected: Tensor, what: str) -> None:
    """Raise unless two tensors are equal, bit for bit, except that ``-0.0`` equals ``0.0``.

    Raises:
        AssertionError: They differ; the message gives the largest difference.
    """
    same = actual.shape == expected.shape and actual.dtype == expected.dtype
    require(same, f"{what}: {_form(actual)} instead of {_form(expected)}")
    apart = (actual.double() - expected.double()).abs().max()
    require(torch.equal(actual, expected), f"{what} differ, by up to {float(apart):.3g}; they should be equal")


def require_same_tensors(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> None:
    """Raise unless two state dicts have the same names and tensors.

    Raises:
        AssertionError: They differ; the message names a tensor.
    """
    odd = sorted(actual.keys() ^ expected.keys())
    require(not odd, f"{what}: {', '.join(odd)} is not in both")
    for name, tensor in expected.items():
        require_equal(actual[name], tensor, f"{what}: the values of {name}")


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _calibration() -> list[dict[str, Tensor]]:
    """Return two batches, for architectures that use calibration data."""
    return Batching(sizes=(2,)).batches(Corpus(lengths=(9, 6, 8, 5)).examples())
