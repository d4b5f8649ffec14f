"""Recipes for calibration examples and for their batches."""

from typing import TYPE_CHECKING, Literal

import attrs
from hypothesis import strategies as st

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


@st.composite
def corpora(draw: st.DrawFn, *, examples: tuple[int, int] = (1, 6), longest: int = 9) -> Corpus:
    """Draw examples of 3 to ``longest`` tokens, at least one of them labelled.

    Args:
        draw: Supplied by Hypothesis.
        examples: Smallest and largest number of examples.
        longest: Largest number of tokens of an example.
    """
    lengths = draw(st.lists(st.integers(3, longest), min_size=examples[0], max_size=examples[1]).map(tuple))
    some = st.lists(st.integers(0, len(lengths) - 1), max_size=len(lengths) - 1, unique=True)
    return Corpus(
        lengths=lengths,
        supervised=draw(st.sampled_from(["every", "last"])),
        unlabelled=tuple(sorted(draw(some))),
        seed=draw(st.integers(0, 99)),
    )


def batchings(
    *, sides: tuple[str, ...] = ("right", "left"), blanks: tuple[int, int] = (0, 0)
) -> st.SearchStrategy[Batching]:
    """Draw ways to batch examples: sizes, side and width of the padding, order.

    Args:
        sides: Sides on which padding may go.
        blanks: Smallest and largest number of all-padding rows in each batch.
    """
    return st.builds(
        Batching,
        sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
        side=st.sampled_from(sides),
        extra=st.integers(0, 3),
        pad=st.integers(0, 39),
        shuffled=st.none() | st.integers(0, 9),
        blanks=st.integers(*blanks),
    )
