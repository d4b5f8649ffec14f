"""Examples of about one length share a batch, in an order that hangs on the seed and the epoch alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


class LengthGroups(Sampler[int]):
    """transformers' order of lengths, but the same after a resume: its own draws from the global random state."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        """Start with the first epoch.

        Args:
            lengths: Of each example.
            batch_size: Examples that are to be alike.
            seed: Of the order.
        """
        self._lengths, self._batch_size, self._seed, self._epoch = list(lengths), batch_size, seed, 0

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        indices: list[int] = get_length_grouped_indices(self._lengths, self._batch_size, generator=generator)
        return iter(indices)

    def set_epoch(self, epoch: int) -> None:
        """Another epoch has another order; the trainer calls this."""
        self._epoch = epoch


def lengths_of(examples: Any) -> list[int]:
    """How many tokens each example has; as the examples themselves tell it, if they do."""
    lengths = getattr(examples, "lengths", None)
    return [len(example["input_ids"]) for example in examples] if lengths is None else [int(n) for n in lengths]
