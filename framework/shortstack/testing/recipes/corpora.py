"""Recipes for calibration examples and for their batches."""

from typing import TYPE_CHECKING, Literal

import attrs

from shortstack.contracts.labels import IGNORED
from shortstack.testing.recipes.models import VOCABULARY

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True, eq=False)
class Example:
    """Tokenised sequence with its labels.

    Attributes:
        ids: int64 ``(tokens,)``.
        labels: int64 ``(tokens,)``, aligned with ``ids``, −100 where unsupervised.
    """

    ids: "Tensor"
    labels: "Tensor"


@attrs.frozen(kw_only=True)
class Corpus:
    """Recipe for calibration examples; token 0 is reserved for padding.

    Attributes:
        lengths: Tokens of each example, at least 2.
        supervised: The tokens that have a label: ``"every"`` or only the ``"last"``.
        unlabelled: Indices of examples without any label.
        seed: Seed of the tokens.

    >>> Corpus(lengths=(3, 2)).examples()[1].ids.shape
    torch.Size([2])
    """

    lengths: tuple[int, ...]
    supervised: Literal["every", "last"] = "every"
    unlabelled: tuple[int, ...] = ()
    seed: int = 0

    def examples(self) -> list[Example]:
        """Return the examples, in order."""
        import torch

        generator = torch.Generator().manual_seed(self.seed)
        examples = []
        for index, length in enumerate(self.lengths):
            ids = torch.randint(1, VOCABULARY, (length,), generator=generator)
            labels = ids.clone()
            if self.supervised == "last":
                labels[:-1] = IGNORED
            if index in self.unlabelled:
                labels[:] = IGNORED
            examples.append(Example(ids=ids, labels=labels))
        return examples


@attrs.frozen(kw_only=True)
class Batching:
    """Recipe for how examples are put into batches.

    Attributes:
        sizes: Examples per batch, repeated until all are in.
        side: Side on which shorter examples are padded.
        extra: Columns of padding beyond the longest example.
        pad: The token id of the padding.
        shuffled: Seed of the order of the examples; None keeps it.
        blanks: Rows of padding alone that are added to each batch.
    """

    sizes: tuple[int, ...] = (4,)
    side: Literal["left", "right"] = "right"
    extra: int = 0
    pad: int = 0
    shuffled: int | None = None
    blanks: int = 0

    def batches(self, examples: list[Example]) -> "list[dict[str, Tensor]]":
        """Return batches ``{"input_ids", "attention_mask", "labels"}``, int64 ``(batch, tokens)`` each."""
        import torch

        if self.shuffled is not None:
            order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(self.shuffled))
            examples = [examples[i] for i in order.tolist()]
        batches, start, turn = [], 0, 0
        while start < len(examples):
            size = self.sizes[turn % len(self.sizes)]
            batches.append(self._batch(examples[start : start + size]))
            start, turn = start + size, turn + 1
        return batches

    def _batch(self, examples: list[Example]) -> "dict[str, Tensor]":
        import torch

        width = max(len(example.ids) for example in examples) + self.extra

        def padded(values: "Tensor", filler: int) -> "Tensor":
            rest = torch.full((width - len(values),), filler)
            return torch.cat([rest, values] if self.side == "left" else [values, rest])

        nothing = torch.zeros(0, dtype=torch.long)
        rows = [*examples, *[Example(ids=nothing, labels=nothing)] * self.blanks]
        return {
            "input_ids": torch.stack([padded(row.ids, self.pad) for row in rows]),
            "attention_mask": torch.stack([padded(torch.ones_like(row.ids), 0) for row in rows]),
            "labels": torch.stack([padded(row.labels, IGNORED) for row in rows]),
        }
