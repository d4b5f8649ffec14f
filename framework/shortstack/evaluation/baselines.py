"""Baselines: cheap rankers that a real result must beat."""

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
    """Scores items by their number of interactions in the fitted part, the same for every history.

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
        """Return the counts for each history, float32 ``(cases, items)``, with equal rows."""
        return torch.from_numpy(self.counts).expand(len(histories), -1)


@attrs.frozen(kw_only=True, eq=False)
class PersonalPopularity:
    """Scores items by their number of occurrences in the history; ties, as of most items at 0, by popularity.

    Where users return to items this is hard to beat.
    Source: Li et al. 2023, A Next Basket Recommendation Reality Check, arXiv 2109.14233, P-TopFreq and G-TopFreq.

    Attributes:
        popularity: ``(items,)`` in [0, 1): decides between equal counts and never outweighs one.
    """

    popularity: NDArray[np.float64]
    scores_are_logits: bool = attrs.field(default=False, init=False)

    @classmethod
    def fit(cls, sequences: Sequences, upto: SplitName = "train") -> "PersonalPopularity":
        """Count each item's popularity, the only parameter."""
        counts = np.bincount(np.concatenate(sequences.upto(upto)), minlength=sequences.catalogue_size)
        return cls(popularity=counts / (counts.max() + 1))

    def scores(self, histories: Sequence[History]) -> Tensor:
        """Return occurrences plus popularity, float64 ``(cases, items)``: float32 loses one of two popularities at 1,000."""
        items = len(self.popularity)
        occurrences = [np.bincount(history, minlength=items) for history in histories]
        return torch.from_numpy(np.array(occurrences).reshape(-1, items) + self.popularity)


@attrs.frozen(kw_only=True, eq=False)
class Markov:
    """First-order Markov chain: scores items by the number of times that they directly followed the last one.

    Ties, as of most items at 0, are broken by popularity; a case without history is scored by popularity alone.

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
        """Return transition counts plus popularity, float64 ``(cases, items)``, as of ``PersonalPopularity``."""
        known = np.array([len(history) > 0 for history in histories], dtype=bool)
        last = np.array([history[-1] for history in histories if len(history)], dtype=np.int64)
        scores = np.tile(self.popularity, (len(histories), 1))
        scores[known] += self.transitions[last].toarray()
        return torch.from_numpy(scores)


@attrs.frozen(kw_only=True, eq=False)
class ItemKNN:
    """Item-based k-nearest neighbours: scores items by their similarity to the history, the cosine of sets of users.

    Attributes:
        similarities: Sparse ``(items, items)``: each column holds an item's nearest neighbours, itself left out.
    """

    similarities: csr_array
    scores_are_logits: bool = attrs.field(default=False, init=False)

    @classmethod
    def fit(cls, sequences: Sequences, upto: SplitName = "train", neighbours: int = 100) -> "ItemKNN":
        """Find each item's ``neighbours`` nearest items; ties at the last place go to the lower dense id.

        ``cos(i, j) = |U_i ∩ U_j| / √(|U_i|·|U_j|)`` with ``U_i`` the users of item i. All matrices are sparse.
        """
        histories = sequences.upto(upto)
        owners = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        had = _counts(owners, np.concatenate(histories), len(histories), sequences.catalogue_size)
        had.data[:] = 1.0  # the similarity is of sets of users, so repeats count once
        norms = np.sqrt(had.sum(axis=0))
        by_item, starts = csr_array(had.T), range(0, sequences.catalogue_size, _ROWS)
        blocks = [_nearest(csr_array(by_item[s : s + _ROWS] @ had), s, norms, neighbours) for s in starts]
        return cls(similarities=csr_array(vstack(blocks).T))

    def scores(self, histories: Sequence[History]) -> Tensor:
        """Return each item's summed similarities to its neighbours in the history, float32 ``(cases, items)``."""
        rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        items = np.concatenate([*histories, np.empty(0, dtype=np.int64)])
        had = _counts(rows, items, len(histories), self.similarities.shape[0])
        had.data[:] = 1.0
        return torch.from_numpy((had @ self.similarities).toarray().astype(np.float32))


def _counts(rows: NDArray[np.int64], columns: NDArray[np.int64], height: int, width: int) -> csr_array:
    """Return the number of occurrences of each pair, as a sparse float64 ``(height, width)`` matrix.

    >>> _counts(np.array([0, 0]), np.array([1, 1]), 1, 2).toarray().tolist()
    [[0.0, 2.0]]
    """
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(height, width))


def _nearest(both: csr_array, start: int, norms: NDArray[np.float64], count: int) -> csr_array:
    """Convert numbers of common users, of items ``start…``, to cosines, and keep each row's ``count`` largest."""
    both.sort_indices()
    rows = start + np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
    cosines = np.where(rows == both.indices, 0.0, both.data / (norms[rows] * norms[both.indices]))
    kept = [_largest(cosines[a:b], count) for a, b in pairwise(both.indptr)]
    nearest = csr_array((np.concatenate(kept), both.indices, both.indptr), shape=both.shape)
    nearest.eliminate_zeros()
    return nearest


def _largest(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Zero all but the ``count`` largest values; of ties the first are kept.

    >>> _largest(np.array([0.5, 0.9, 0.5]), 2).tolist()
    [0.5, 0.9, 0.0]
    """
    if len(values) <= count:
        return values
    edge = np.partition(values, -count)[-count]
    above, level = values > edge, values == edge
    return np.where(above | (level & (level.cumsum() <= count - above.sum())), values, 0.0)
