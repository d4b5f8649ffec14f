"""Batches of examples of similar length, in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


class LengthGroups(Sampler[int]):
    """Length-grouped sampler with transformers' order, but the same after a resume.

    transformers' own sampler draws from the global random state.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        """Start with the first epoch.

        Args:
            lengths: Length of each example.
            batch_size: Number of examples that should be of similar length.
            seed: Seed of the order.
        """
        self._lengths, self._batch_size, self._seed, self._epoch = list(lengths), batch_size, seed, 0

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        indices: list[int] = get_length_grouped_indices(self._lengths, self._batch_size, generator=generator)
        return iter(indices)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which changes the order; called by the trainer."""
        self._epoch = epoch


def lengths_of(examples: Any) -> list[int]:
    """Return the number of tokens of each example, from the attribute ``lengths`` of the examples if there is one.

    >>> lengths_of([{"input_ids": [5, 6]}, {"input_ids": [7]}])
    [2, 1]
    """
    lengths = getattr(examples, "lengths", None)
    return [len(example["input_ids"]) for example in examples] if lengths is None else [int(n) for n in lengths]
