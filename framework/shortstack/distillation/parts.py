"""A batch that all processes of a training share: each takes its part, so that their number changes no step."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import torch
from torch import Tensor
from torch.futures import Future

from shortstack.distillation.teacher_cache import Collate

SPARE: Final = "spare"
"""Key of a batch that a process has for want of a part."""


@attrs.frozen(eq=False)
class PartCollate:
    """Collates a process's part of the examples of a batch: every ``size``-th one.

    A process that has none, as there are fewer than processes, takes the first example, because all must run the model
    together; the batch is marked with ``SPARE``, and counts for nothing.
    """

    collate: Collate
    rank: int
    size: int

    def __call__(self, examples: list[Any]) -> dict[str, Tensor]:
        """Return the part as a batch."""
        part = examples[self.rank :: self.size]
        return self.collate(part) if part else {**self.collate(examples[:1]), SPARE: torch.tensor(True)}


def share_of(batch: Mapping[str, Any]) -> float:
    """Return the factor of a batch's losses: 0 for one that another process has, else 1."""
    return 0.0 if SPARE in batch else 1.0


def without_spare(batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a batch without the mark of one that counts for nothing; as it is if it has none, whatever it is."""
    return {name: value for name, value in batch.items() if name != SPARE} if SPARE in batch else batch


def with_whole_batches(loader: Any) -> Any:
    """Return accelerate's loader of one process, changed so that it yields every batch: it divides none among processes.

    transformers changes it in the same way where its own sampler knows of the processes.
    """
    shard = loader.batch_sampler
    shard.num_processes, shard.process_index, shard.even_batches = 1, 0, False
    return loader


def summed(_state: object, bucket: torch.distributed.GradBucket) -> Future[Tensor]:  # type: ignore[name-defined]
    """Add the gradients of all processes.

    Losses are divided by their counts over all processes already; and ``DistributedDataParallel`` by itself takes the
    mean by a factor in float32, which shows in float64.
    """
    work = torch.distributed.all_reduce(bucket.buffer(), async_op=True)
    future: Future[Tensor] = work.get_future().then(lambda done: done.value()[0])
    return future
