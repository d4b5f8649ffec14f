"""Floors: cheap rankers that a real result must beat."""

from collections.abc import Sequence
from itertools import pairwise

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from torch import Tensor

from shortstack.data.sequences import Sequences, SplitName
from shortstack.evaluation.rankers import History

_ROWS = 512  # items whose neighbours are sought at once: bounds the memory


@attrs.frozen(kw_only=True, eq=False)
class Popularity:
    """Every history gets the same scores: how often each item occurs in the fitted part.

    Attributes:
        counts: float32 ``(items,)``.
    """

    counts: NDArray[np.float32]
    scores_are_logits: bool = attrs.field(default=False, init=False)

    @classmethod
    def fit(cls, sequences: Sequences, upto: SplitName = "train") -> "Popularity":
        """Count the interactions of a split and of those before it."""
        items = np.concatenate(sequences.upto(upto))
        return cls(counts=np.bincount(items, minlength=sequences.catalogue_size).astype(np.float32))

    def scores(self, histories: Sequence[History]) -> Tensor:
        """float32 ``(cases, items)``, all rows alike."""
        return torch.from_numpy(self.counts).expand(len(histories), -1)


@attrs.frozen(kw_only=True, eq=False)
class PersonalPopularity:
    """How often the user had each item; what was had equally often, never for most, goes by popularity.

    Where users return to items this is hard to beat.
    Source: Li et al. 2023, A Next Basket Recommendation Reality Check, arXiv 2109.14233, P-TopFreq and G-TopFreq.

    Attributes:
        popularity: ``(items,)`` in [0, 1): decides between equal counts and never outweighs one.
    """

    popularity: NDArray[np.float64]
    scores_are_logits: bool = attrs.field(default=False, init=False)

    @classmethod
    def fit(cls, sequences: Sequences, upto: SplitName = "train") -> "PersonalPopularity":
        """Only the popularity is learnt."""
        counts = np.bincount(np.concatenate(sequences.upto(upto)), minlength=sequences.catalogue_size)
        return cls(popularity=counts / (counts.max() + 1))

    def scores(self, histories: Sequence[History]) -> Tensor:
        """float32 ``(cases, items)``."""
        items = len(self.popularity)
        own = [np.bincount(history, minlength=items) for history in histories]
        return torch.from_numpy((np.array(own).reshape(-1, items) + self.popularity).astype(np.float32))


@attrs.frozen(kw_only=True, eq=False)
class Markov:
    """How often each item came directly after the last one; the rest of the history does not count.

    Items that followed equally often, never for most of them, go by popularity, and so does a case without history.

    Attributes:
        transitions: Sparse ``(items, items)``, row: the item before, column: the item after.
        popularity: ``(items,)`` in [0, 1): decides between equal counts and never outweighs one.
    """

    transitions: csr_array
    popularity: NDArray[np.float64]
    scores_are_logits: bool = attrs.field(default=False, init=False)

    @classmethod
    def fit(cls, sequences: Sequences, upto: SplitName = "train") -> "Markov":
        """Count the consecutive pairs of a split and of those before it."""
        histories = sequences.upto(upto)
        before = np.concatenate([history[:-1] for history in histories])
        after = np.concatenate([history[1:] for history in histories])
        counts = np.bincount(np.concatenate(histories), minlength=sequences.catalogue_size)
        return cls(
            transitions=_counts(before, after, sequences.catalogue_size, sequences.catalogue_size),
            popularity=counts / (counts.max() + 1),
        )

    def scores(self, histories: Sequence[History]) -> Tensor:
        """float32 ``(cases, items)``."""
        known = np.array([len(history) > 0 for history in histories], dtype=bool)
        last = np.array([history[-1] for history in histories if len(history)], dtype=np.int64)
        scores = np.tile(self.popularity, (len(histories), 1))
        scores[known] += self.transitions[last].toarray()
        return torch.from_numpy(scores.astype(np.float32))


@attrs.frozen(kw_only=True, eq=False)
class ItemKNN:
    """Similarity to the items of the history: the cosine of the sets of users who had them.

    Attributes:
        similarities: Sparse ``(items, items)``: each column holds an item's nearest neighbours, itself left out.
    """

    similarities: csr_array
    scores_are_logits: bool = attrs.field(default=False, init=False)

    @classmethod
    def fit(cls, sequences: Sequences, upto: SplitName = "train", neighbours: int = 100) -> "ItemKNN":
        """Find each item's ``neighbours`` nearest items; equal ones at the edge go to the lower dense id.

        ``cos(i, j) = |U_i ∩ U_j| / √(|U_i|·|U_j|)`` with ``U_i`` the users of item i. Nothing is ever dense.
        """
        histories = sequences.upto(upto)
        owners = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        had = _counts(owners, np.concatenate(histories), len(histories), sequences.catalogue_size)
        had.data[:] = 1.0
        norms = np.sqrt(had.sum(axis=0))
        by_item, starts = csr_array(had.T), range(0, sequences.catalogue_size, _ROWS)
        blocks = [_nearest(csr_array(by_item[s : s + _ROWS] @ had), s, norms, neighbours) for s in starts]
        return cls(similarities=csr_array(vstack(blocks).T))

    def scores(self, histories: Sequence[History]) -> Tensor:
        """float32 ``(cases, items)``: each item's similarities to those of its neighbours that the history holds."""
        rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        items = np.concatenate([*histories, np.empty(0, dtype=np.int64)])
        had = _counts(rows, items, len(histories), self.similarities.shape[0])
        had.data[:] = 1.0
        return torch.from_numpy((had @ self.similarities).toarray().astype(np.float32))


def _counts(rows: NDArray[np.int64], columns: NDArray[np.int64], height: int, width: int) -> csr_array:
    """How often each pair occurs, as a sparse ``(height, width)`` matrix of float64."""
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(height, width))


def _nearest(both: csr_array, start: int, norms: NDArray[np.float64], count: int) -> csr_array:
    """Turn the numbers of common users of items ``start…`` into cosines, and keep the ``count`` largest of each row."""
    both.sort_indices()
    rows = start + np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
    cosines = np.where(rows == both.indices, 0.0, both.data / (norms[rows] * norms[both.indices]))
    kept = [_largest(cosines[a:b], count) for a, b in pairwise(both.indptr)]
    nearest = csr_array((np.concatenate(kept), both.indices, both.indptr), shape=both.shape)
    nearest.eliminate_zeros()
    return nearest


def _largest(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Zero all but the ``count`` largest values; the first of equal ones stay."""
    if len(values) <= count:
        return values
    edge = np.partition(values, -count)[-count]
    above, level = values > edge, values == edge
    return np.where(above | (level & (level.cumsum() <= count - above.sum())), values, 0.0)
