"""Search of an optimiser step for an example whose losses are not finite, for the error that says so."""

from collections.abc import Callable, Mapping, Sequence

import torch
from accelerate.utils import gather_object
from torch import Tensor

from shortstack.distillation.parts import without_marks

Batch = Mapping[str, Tensor]


def nonfinite_example(batches: Sequence[Batch], sums_of: Callable[[Batch], Sequence[Tensor]]) -> list[int]:
    """Return the tokens of the first example whose losses by themselves are not finite; empty if no process has one.

    Args:
        batches: The micro-batches of this process.
        sums_of: Returns each loss's sum over a batch of one example. All processes call it equally often.
    """
    # of all processes, for any of them may be the one whose error is shown
    return next(filter(None, gather_object([_own_example(batches, sums_of)])), [])


@torch.no_grad()
def _own_example(batches: Sequence[Batch], sums_of: Callable[[Batch], Sequence[Tensor]]) -> list[int]:
    rows = [(batch, row) for batch in batches for row in range(len(batch["labels"]))]
    tokens: list[int] = []
    for turn in range(max(gather_object([len(rows)]))):  # all run a model that is divided among them as often
        batch, row = rows[min(turn, len(rows) - 1)]
        example = {name: tensor[row : row + 1] for name, tensor in without_marks(batch).items()}
        sums = sums_of(example)
        if not tokens and not torch.stack([*sums]).isfinite().all():
            tokens = example["input_ids"][example["attention_mask"].bool()].tolist()
    return tokens
