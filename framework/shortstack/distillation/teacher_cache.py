"""The teacher's final states at all supervised positions, on disk: no teacher runs while a student learns from them.

A final state is much smaller than the logits, and the teacher's own head maps it to the same logits.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from shortstack.contracts import Output
from shortstack.contracts.labels import IGNORED
from shortstack.digests import damage, read_record, seal
from shortstack.distillation.checks import more_than_logits
from shortstack.distillation.length_groups import lengths_of
from shortstack.distillation.model_outputs import FinalStates, PassOutputs
from shortstack.distillation.weighted_losses import WeightedLoss, wanted
from shortstack.errors import ConfigurationError, DataError, UnsupportedModelError
from shortstack.files import read_json, write_json, write_through
from shortstack.models.candidates import supervision
from shortstack.models.frozen import evaluation_copy
from shortstack.models.head_split import Head, body_of, final_states, has_head
from shortstack.run_layout import CACHE_RECORD

STATES, HEAD, PROGRESS = "states.bin", "head.safetensors", "progress.json"
EXAMPLE: Final = "example"
"""Key of a batch that holds each example's index in the data set."""

_FEWEST_EPOCHS: Final = 2
"""Passes over the examples from which a cache saves more than writing it costs."""

_MARKED_EVERY: Final = 50
"""Batches between records of the progress, from which an interrupted writing goes on."""

_PROVED: Final = 16
"""Positions whose logits are compared before a cache counts as complete."""

Collate = Callable[[list[Any]], dict[str, Tensor]]


@attrs.frozen(kw_only=True, eq=False)
class TeacherCache:
    """Final states of a teacher for the examples of one data set.

    Attributes:
        folder: Its folder.
        teacher: The teacher without its body, whose weights are not in memory; its head works.
        states: ``(positions, hidden)``, memory-mapped.
        starts: int64 ``(examples + 1,)``: where the positions of each example begin.
        content: Digest of the examples.
    """

    folder: Path
    teacher: PreTrainedModel
    states: Tensor
    starts: NDArray[np.int64]
    content: str

    @classmethod
    def open(cls, folder: Path) -> "TeacherCache":
        """Open a complete cache.

        Raises:
            DataError: The folder holds no complete cache, or a file of it is not as it was written.
        """
        record = read_record(folder / CACHE_RECORD)
        if record == {}:
            raise DataError(f"{folder} is no complete cache of a teacher's states; write it with write_teacher_cache")
        if not record or (why := damage(folder, CACHE_RECORD)):
            raise DataError(
                f"{why if record else f'{folder / CACHE_RECORD} is damaged'}; remove {folder}, and write the cache again"
            )
        shape, dtype = (record["positions"], record["hidden"]), getattr(torch, record["dtype"])
        return cls(
            folder=folder,
            teacher=_load_head(folder),
            states=_mapped(folder / STATES, shape, dtype, writable=False),
            starts=np.asarray(record["starts"], dtype=np.int64),
            content=record["content"],
        )

    def check(self, examples: Sequence[Mapping[str, Any]]) -> None:
        """Raise if the cache is of other examples.

        Raises:
            ConfigurationError: It is.
        """
        content, starts = _content(examples)
        if content != self.content or not np.array_equal(starts, self.starts):
            raise ConfigurationError(
                f"the cache {self.folder} holds the teacher's states for other examples; write one for these with "
                "write_teacher_cache"
            )

    def rows(self, examples: Iterable[int]) -> Tensor:
        """Return the states ``(positions, hidden)`` of some examples, one after the other."""
        spans = [slice(int(self.starts[i]), int(self.starts[i + 1])) for i in examples]
        return torch.cat([self.states[span] for span in spans]) if spans else self.states[:0]


class CachedTeacher:
    """Reads a teacher's outputs for batches of numbered examples from a cache."""

    def __init__(self, cache: TeacherCache, candidates: Tensor | None, device: torch.device) -> None:
        """Move the head to the device.

        Args:
            cache: The states.
            candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
            device: Device of the outputs.
        """
        self._cache, self._candidates, self._device = cache, candidates, device
        _move_outside(cache.teacher, device)

    @cached_property
    def _head(self) -> Head:
        """The head; made within the first pass, in its precision."""
        return Head(self._cache.teacher, self._candidates)

    def __call__(self, examples: Tensor, positions: int) -> PassOutputs:
        """Return the final states of a batch.

        Args:
            examples: int64 ``(batch,)``: indices in the data set.
            positions: Number of supervised positions in the batch.

        Raises:
            ConfigurationError: The cache has another number of positions for these examples.
        """
        rows = self._cache.rows(examples.tolist()).to(self._device)
        if len(rows) != positions:
            raise ConfigurationError(
                f"the cache {self._cache.folder} has {len(rows)} states for a batch with {positions} labels, so it is of "
                "other examples; write one for these with write_teacher_cache"
            )
        return PassOutputs(final=FinalStates(rows=rows, head=self._head, constant=True))


@attrs.frozen(eq=False)
class Numbered(Sequence[dict[str, Any]]):
    """Examples with their index, which ``NumberedCollate`` puts into the batch."""

    examples: Any

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
        return {**self.examples[index], EXAMPLE: index}

    @property
    def lengths(self) -> list[int]:
        """Number of tokens of each example."""
        return lengths_of(self.examples)


@attrs.frozen(eq=False)
class NumberedCollate:
    """Collates numbered examples with another function, and adds their indices, int64 ``(batch,)``."""

    collate: Collate

    def __call__(self, examples: list[Any]) -> dict[str, Tensor]:
        """Return the batch."""
        indices = torch.tensor([example[EXAMPLE] for example in examples])
        return {**self.collate([without_index(example) for example in examples]), EXAMPLE: indices}


def without_index(example: Mapping[str, Any]) -> dict[str, Any]:
    """Return an example, or a batch, without what ``Numbered`` added."""
    return {name: value for name, value in example.items() if name != EXAMPLE}


def write_teacher_cache(
    folder: Path,
    teacher: PreTrainedModel,
    examples: Sequence[Mapping[str, Any]],
    *,
    collate: Collate,
    batch_size: int = 32,
    bfloat16: bool = False,
    step: Callable[[int], object] = lambda _batches: None,
) -> TeacherCache:
    """Write a teacher's final states for all examples, or go on where an interrupted writing ended.

    Args:
        folder: Folder of the cache; made if it is not there.
        teacher: A causal language model; not modified.
        examples: Each with ``input_ids`` and ``labels``.
        collate: Makes ``{"input_ids", "attention_mask", "labels"}`` of examples, each row one example.
        batch_size: Examples in a forward pass.
        bfloat16: Compute and store in bfloat16.
        step: Called with the number of finished batches.

    Raises:
        UnsupportedModelError: The teacher's logits are not a function of final states, so they have no use.
    """
    if not has_head(teacher, None):
        raise UnsupportedModelError(
            f"the logits of {type(teacher).__name__} are not a function of its final states, so a cache of those has no "
            'use; train with cache = "off"'
        )
    if (folder / CACHE_RECORD).is_file():
        return TeacherCache.open(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content, starts = _content(examples)
    hidden, dtype = _width(teacher, bfloat16=bfloat16)
    states = _allocated(folder / STATES, (int(starts[-1]), hidden), dtype)
    order = np.argsort(lengths_of(examples), kind="stable")
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    plan = {"content": content, "hidden": hidden, "dtype": str(dtype), "batch_size": batch_size}
    for number in _unfinished(folder, plan, len(batches)):
        batch = collate([dict(examples[int(index)]) for index in batches[number]])
        rows = _states_of(teacher, batch, bfloat16=bfloat16).to("cpu", dtype)
        for index, part in zip(batches[number], rows.split(np.diff(starts)[batches[number]].tolist()), strict=True):
            states[int(starts[index]) : int(starts[index + 1])] = part
        step(number + 1)
    (folder / PROGRESS).unlink(missing_ok=True)
    _save_head(teacher, folder)
    _prove_head(teacher, folder, states[:_PROVED], bfloat16=bfloat16)
    record = {"positions": len(states), "hidden": hidden, "dtype": str(dtype).removeprefix("torch.")}
    seal(folder, CACHE_RECORD, {**record, "starts": starts.tolist(), "content": content})
    return TeacherCache.open(folder)


def cache_pays(losses: Sequence[WeightedLoss], *, seen: int, examples: int) -> bool:
    """Return True if a cache saves work: only the teacher's logits are needed, and the examples are seen twice or more.

    Args:
        losses: The losses that the student is trained on.
        seen: Number of examples in all steps together.
        examples: Number of different examples.
    """
    needed = wanted(losses)
    return seen >= _FEWEST_EPOCHS * examples and Output.TEACHER_LOGITS in needed and not more_than_logits(losses)


def bytes_of(positions: int, hidden: int, *, bfloat16: bool) -> int:
    """Return the size of a cache's states on disk."""
    return positions * hidden * (2 if bfloat16 else 4)


def content_of(examples: Sequence[Mapping[str, Any]]) -> str:
    """Return a digest of examples."""
    return _content(examples)[0]


def positions_of(examples: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of supervised positions of all examples."""
    return int(_content(examples)[1][-1])


def _content(examples: Sequence[Mapping[str, Any]]) -> tuple[str, NDArray[np.int64]]:
    """Return a digest of the examples, and where the positions of each begin."""
    digest, counts = hashlib.blake2b(digest_size=16), [0]
    for example in examples:
        ids, labels = (np.asarray(example[name], dtype=np.int64) for name in ("input_ids", "labels"))
        digest.update(np.int64(len(ids)).tobytes() + ids.tobytes() + labels.tobytes())
        counts.append(int((labels[1:] != IGNORED).sum()))
    return digest.hexdigest(), np.cumsum(counts, dtype=np.int64)


def _unfinished(folder: Path, plan: Mapping[str, Any], batches: int) -> Iterator[int]:
    """Yield the numbers of the batches that are still to do, and record the progress between them."""
    marker = folder / PROGRESS
    before = read_json(marker) if marker.is_file() else {}
    first = before.get("batches", 0) if before.get("plan") == plan else 0
    for number in range(first, batches):
        if number % _MARKED_EVERY == 0 and number > first:
            write_through(folder / STATES)
            write_json(marker, {"plan": plan, "batches": number})
        yield number


@torch.no_grad()
def _states_of(teacher: PreTrainedModel, batch: Mapping[str, Tensor], *, bfloat16: bool) -> Tensor:
    """Return the final states at a batch's supervised positions."""
    ids, mask, labels = (batch[name].to(teacher.device) for name in ("input_ids", "attention_mask", "labels"))
    with _arithmetic(teacher.device, bfloat16=bfloat16):
        return final_states(evaluation_copy(teacher), ids, mask, supervision(labels)[0])


def _arithmetic(device: torch.device, *, bfloat16: bool) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 else nullcontext()


def _width(teacher: PreTrainedModel, *, bfloat16: bool) -> tuple[int, torch.dtype]:
    """Return the width of the final states, and the type that they are stored in."""
    tokens = torch.zeros(1, 2, dtype=torch.long)
    batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": tokens}
    states = _states_of(teacher, batch, bfloat16=bfloat16)
    return states.shape[-1], torch.bfloat16 if bfloat16 else states.dtype


def _allocated(path: Path, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """Return a writable mapped file of this size, whose room on the disk is reserved; what it holds stays."""
    size = shape[0] * shape[1] * dtype.itemsize
    with path.open("ab") as file:
        if path.stat().st_size > size:
            file.truncate(size)
        if size:
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk would else be a signal, not an error
    return _mapped(path, shape, dtype, writable=True)


def _mapped(path: Path, shape: tuple[int, int], dtype: torch.dtype, *, writable: bool) -> Tensor:
    size = shape[0] * shape[1]
    if not size:
        return torch.empty(shape, dtype=dtype)
    return torch.from_file(str(path), shared=writable, size=size, dtype=dtype).reshape(shape)


def _save_head(teacher: PreTrainedModel, folder: Path) -> None:
    """Write what the teacher has beside its body, and its config."""
    inside = tuple(f"{name}." for name, module in teacher.named_modules() if module is body_of(teacher))
    tensors = {name: tensor for name, tensor in teacher.state_dict().items() if not name.startswith(inside)}
    save_file({name: tensor.to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}, folder / HEAD)
    teacher.config.save_pretrained(folder)


def _load_head(folder: Path) -> PreTrainedModel:
    """Return the teacher with its head alone in memory."""
    with torch.device("meta"):
        teacher: PreTrainedModel = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    teacher.load_state_dict(load_file(folder / HEAD), strict=False, assign=True)
    return teacher.requires_grad_(False).eval()


@torch.no_grad()
def _prove_head(teacher: PreTrainedModel, folder: Path, states: Tensor, *, bfloat16: bool) -> None:
    """Raise unless the stored head gives the teacher's own logits.

    Raises:
        UnsupportedModelError: It does not: the head holds something that is no part of its state.
    """
    stored, states = _load_head(folder), states.to(teacher.device)
    _move_outside(stored, teacher.device)
    with _arithmetic(teacher.device, bfloat16=bfloat16):
        same = torch.equal(Head(stored, None)(states), Head(evaluation_copy(teacher), None)(states))
    if not same:
        raise UnsupportedModelError(
            f"the head of {type(teacher).__name__} gives other logits once it is stored, so a cache of final states has no "
            'use; train with cache = "off"'
        )


def _move_outside(teacher: PreTrainedModel, device: torch.device) -> None:
    """Move the weights that are in memory to a device."""
    for module in teacher.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.is_meta:
                setattr(module, name, torch.nn.Parameter(parameter.to(device), requires_grad=False))
