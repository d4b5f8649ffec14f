"""Examples for a model: pieces of token sequences, and the tokens in them that are labels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, overload

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.contracts.labels import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor

    from shortstack.data.mapped_file import Pieces

Example = dict[str, list[int]]


@attrs.frozen(kw_only=True, eq=False)
class ItemTokens:
    """Tokens of flat histories, looked up where they are read, so that the histories may lie in a mapped file.

    Attributes:
        items: int64 ``(interactions,)``: dense item ids, as an array or in pieces of a file.
        tokens: int64 ``(items,)``: the token of each item.

    >>> ItemTokens(items=np.array([1, 0, 1]), tokens=np.array([7, 8]))[1:3]
    array([7, 8])
    """

    items: "NDArray[np.int64] | Pieces"
    tokens: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, piece: slice) -> NDArray[np.int64]:
        return self.tokens[self.items[piece]]


@attrs.frozen(kw_only=True, eq=False)
class Examples(Sequence[Example]):
    """A map-style data set of ``{"input_ids", "labels"}``, lists of equal length that are made on access.

    Attributes:
        tokens: int64: the flat token sequences that the examples are pieces of, as an array or looked up on access.
        starts: int64 ``(examples,)``: start of each piece in ``tokens``.
        stops: int64 ``(examples,)``: end of each piece, exclusive.
        supervised: int64 ``(examples,)``: position in ``tokens`` of the first label, at the earliest the piece's second
            token, for nothing precedes the first.
        answers: Bool, one for each of ``tokens``: whether it may be a label; None if all may.
        opening: Tokens that precede every piece; none of them is a label.

    >>> tokens = np.array([7, 8, 9])
    >>> Examples(tokens=tokens, starts=np.array([0]), stops=np.array([3]), supervised=np.array([2]))[0]
    {'input_ids': [7, 8, 9], 'labels': [-100, -100, 9]}
    """

    tokens: "NDArray[np.int64] | ItemTokens"
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    supervised: NDArray[np.int64]
    answers: NDArray[np.bool_] | None = None
    opening: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> "Examples": ...
    def __getitem__(self, index: "int | slice") -> "Example | Examples":
        if isinstance(index, slice):
            return attrs.evolve(
                self, starts=self.starts[index], stops=self.stops[index], supervised=self.supervised[index]
            )
        start, stop, supervised = (int(column[index]) for column in (self.starts, self.stops, self.supervised))
        input_ids: list[int] = self.tokens[start:stop].tolist()
        unsupervised = max(supervised - start, 1)
        labels = [IGNORED] * min(unsupervised, len(input_ids)) + input_ids[unsupervised:]
        if self.answers is not None:
            may = self.answers[start:stop].tolist()
            labels = [label if answer else IGNORED for label, answer in zip(labels, may, strict=True)]
        return {"input_ids": [*self.opening, *input_ids], "labels": [IGNORED] * len(self.opening) + labels}

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens of each example, int64 ``(examples,)``."""
        return self.stops - self.starts + len(self.opening)

    def to_dataset(self) -> "Dataset":
        """Return the examples as a ``datasets.Dataset``."""
        from datasets import Dataset

        columns: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
        for example in self:
            for name, values in example.items():
                columns[name].append(values)
        return Dataset.from_dict(columns)


def collate(examples: Iterable[Mapping[str, Sequence[int]]], pad_token_id: int = 0) -> "dict[str, Tensor]":
    """Collate examples into a batch, padded on the right to the longest one.

    Args:
        examples: Each with ``input_ids`` and ``labels`` of one length.
        pad_token_id: Padding of ``input_ids``; its value never matters, since the mask hides it.

    Returns:
        ``input_ids``, ``attention_mask`` (1 where a token is real) and ``labels`` (−100 where unsupervised), each int64
        ``(batch, tokens)``.
    """
    import torch

    rows = list(examples)
    shape = (len(rows), max(len(row["input_ids"]) for row in rows))
    fills = {"input_ids": pad_token_id, "attention_mask": 0, "labels": IGNORED}
    batch = {name: torch.full(shape, fill, dtype=torch.long) for name, fill in fills.items()}
    for index, row in enumerate(rows):
        length = len(row["input_ids"])
        batch["input_ids"][index, :length] = torch.as_tensor(row["input_ids"])
        batch["labels"][index, :length] = torch.as_tensor(row["labels"])
        batch["attention_mask"][index, :length] = 1
    return batch
