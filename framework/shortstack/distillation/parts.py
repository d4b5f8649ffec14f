"""A batch that all processes of a training share: each takes its part, so that their number changes no step."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel, default_data_collator

from shortstack.distillation.checkpoints import random_state, restore_random_state
from shortstack.distillation.teacher_cache import Collate, NumberedCollate
from shortstack.models.decoder import model_inputs
from shortstack.models.sharding import add_gradients

SPARE: Final = "spare"
"""Key of a batch that a process has for want of a part."""
ROWS: Final = "rows"
"""Key of the number of examples of the whole batch."""


@attrs.frozen(kw_only=True)
class Part:
    """The examples of a batch that a process has: every ``size``-th one.

    Attributes:
        rank: Number of the process, from 0.
        size: Number of processes.
    """

    rank: int
    size: int

    def of(self, rows: Tensor) -> Tensor:
        """Return this process's rows of a whole batch; the first one if it has none, because all must run the model together.

        >>> Part(rank=1, size=2).of(torch.arange(5)), Part(rank=1, size=2).of(torch.arange(1))
        (tensor([1, 3]), tensor([0]))
        """
        return (rows[self.rank :: self.size] if self.rank < len(rows) else rows[:1]).contiguous()


@attrs.frozen(eq=False)
class PartCollate:
    """Collates a whole batch, and takes a process's part of it: all parts are as wide as the batch of one process.

    The first example of a process that has none is marked with ``SPARE``, and counts for nothing.
    """

    collate: Collate
    part: Part

    def __call__(self, examples: list[Any]) -> dict[str, Tensor]:
        """Return the part as a batch."""
        rows = len(examples)
        batch = {name: self.part.of(tensor) for name, tensor in self.collate(examples).items()}
        spare = {} if self.part.rank < rows else {SPARE: torch.tensor(True)}
        return {**batch, **spare, ROWS: torch.tensor(rows)}


def collation(collate: Collate | None, part: Part | None, *, numbered: bool) -> Collate:
    """Return what makes a batch of examples: with their numbers for a cache, and a part of one that processes share."""
    collate = collate or default_data_collator
    if numbered:
        collate = NumberedCollate(collate)
    return collate if part is None else PartCollate(collate, part)


class EmbeddingDropout(nn.Dropout):
    """Dropout that draws for the whole batch of which a process has a part, so that their number changes no draw."""

    def __init__(self, rate: float, part: Part | None = None) -> None:
        """Take the rate, and this process's part of each batch; None if it has all of it."""
        super().__init__(rate)
        self._part = part

    def forward(self, embedded: Tensor, rows: int | None = None) -> Tensor:
        """Return input embeddings ``(batch, tokens, hidden)`` with some of their numbers 0, and the others larger for it.

        Args:
            embedded: Of this process's part of a batch.
            rows: Number of examples of the whole batch; None for a batch of this process alone.
        """
        if self._part is None or rows is None:
            return super().forward(embedded)
        whole = super().forward(embedded.new_ones((rows, *embedded.shape[1:])))
        return embedded * self._part.of(whole)


def random_stream(rank: int, student: PreTrainedModel, loss_modules: nn.Module, *, shared: bool) -> int:
    """Return which random numbers a process draws: those of one process, or, for dropout within models, others.

    Args:
        rank: Number of the process, from 0.
        student: The model that is trained.
        loss_modules: The modules of the losses.
        shared: Whether all processes share each batch.

    Returns:
        0 for the random numbers of one process, else the rank.
    """
    drops = any(isinstance(module, nn.Dropout) for module in loss_modules.modules())
    return 0 if not rank or (shared and not drops and not draws_at_random(student)) else rank


def draws_at_random(model: PreTrainedModel) -> bool:
    """Return True if a model draws random numbers while it is trained, as its own dropout does.

    It is tried by a pass of two tokens, after which every generator is as it was; the model is in training mode. One that cannot
    run where it is, as before it is divided among GPUs, counts as one that draws.
    """
    pair = torch.zeros((1, 2), dtype=torch.long, device=model.device)
    before = random_state()
    try:
        with torch.no_grad():
            model.train()(**model_inputs(model, pair, torch.ones_like(pair)))
        return _plain(before) != _plain(random_state())
    except Exception:  # noqa: BLE001 -- training itself says what is wrong, if anything is
        return True
    finally:
        restore_random_state(before)


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """The states of generators as lists, which can be compared."""
    return {**state, "cpu": state["cpu"].tolist(), "cuda": [one.tolist() for one in state["cuda"]]}


def share_of(batch: Mapping[str, Any]) -> float:
    """Return the factor of a batch's losses: 0 for one that another process has, else 1."""
    return 0.0 if SPARE in batch else 1.0


def rows_of(batch: Mapping[str, Any]) -> int | None:
    """Return the number of examples of the whole batch; None if it is not known to be a part."""
    return int(batch[ROWS]) if ROWS in batch else None


def without_marks(batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of a batch without the marks of ``PartCollate``; as it is if it has none, whatever it is."""
    return {name: value for name, value in batch.items() if name not in {SPARE, ROWS}} if ROWS in batch else batch


def with_whole_batches(loader: Any) -> Any:
    """Return accelerate's loader of one process, changed so that it yields every batch: it divides none among processes.

    transformers changes it in the same way where its own sampler knows of the processes.
    """
    shard = loader.batch_sampler
    shard.num_processes, shard.process_index, shard.even_batches = 1, 0, False
    return loader


def sum_gradients(model: nn.Module) -> None:
    """Let a model that several processes train add their gradients, where torch would take the mean."""
    if isinstance(model, DistributedDataParallel):
        model.register_comm_hook(None, _summed)
    elif isinstance(model, FSDPModule):
        add_gradients(model)


def _summed(_state: object, bucket: torch.distributed.GradBucket) -> Future[Tensor]:  # type: ignore[name-defined]
    """Add the gradients of all processes.

    Losses are divided by their counts over all processes already; and ``DistributedDataParallel`` by itself takes the
    mean by a factor in float32, which shows in float64.
    """
    work = torch.distributed.all_reduce(bucket.buffer(), async_op=True)
    future: Future[Tensor] = work.get_future().then(lambda done: done.value()[0])
    return future
