"""EASE, the strongest baseline without training: a linear model of items, in closed form."""

from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array
from torch import Tensor, from_numpy

from shortstack.data.sequences import Seen, Sequences, SplitName
from shortstack.errors import ConfigurationError
from shortstack.evaluation.evaluator import RecommendationEvaluator
from shortstack.evaluation.rankers import History

GRID: Final = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Penalties of which the validation users choose one."""
MOST_ITEMS: Final = 20_000
"""Items whose dense matrix, 3.2 GB in float64, is still inverted."""
_METRIC: Final = "ndcg@10"


@attrs.frozen(kw_only=True, eq=False)
class EASE:
    """Embarrassingly shallow autoencoder: each item is a linear function of the others that its users had.

    Source: Steck 2019, Embarrassingly Shallow Autoencoders for Sparse Data, arXiv 1905.03375.

    Attributes:
        weights: float32 ``(items, items)``, row: an item of the history, column: the scored item. The diagonal is 0.
        penalty: Strength λ of the L2 penalty.
    """

    weights: NDArray[np.float32]
    penalty: float
    scores_are_logits: bool = attrs.field(default=False, init=False)

    @classmethod
    def fit(cls, sequences: Sequences, upto: SplitName = "train", penalty: float = 100.0) -> "EASE":
        """Minimise ``‖X − XB‖² + λ‖B‖²`` over all B whose diagonal is 0; X holds which user had which item.

        With ``P = (XᵀX + λI)⁻¹``, the solution is ``B = I − P·diag(1 / P_jj)``.

        Raises:
            ConfigurationError: There are too many items for a dense matrix of all pairs.
        """
        items = sequences.catalogue_size
        if items > MOST_ITEMS:
            raise ConfigurationError(
                f"the baseline 'ease' needs a dense matrix of all pairs of items, and there are {items:,}, more than "
                f"{MOST_ITEMS:,}; leave it out of evaluation.baselines, or keep fewer items with data.core"
            )
        had = _sets(sequences.upto(upto), items)
        gram = (had.T @ had).toarray() + penalty * np.identity(items)
        inverse = cho_solve(cho_factor(gram, overwrite_a=True), np.identity(items), overwrite_b=True)
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        return cls(weights=weights.astype(np.float32), penalty=penalty)

    @classmethod
    def tuned(cls, sequences: Sequences, upto: SplitName = "train", *, seen: Seen = "exclude") -> "EASE":
        """Fit with the penalty of ``GRID`` that gives validation users the best NDCG@10, the largest of equal ones."""
        evaluator, cases = RecommendationEvaluator(cutoffs=(10,), seen=seen), sequences.cases("valid")

        def quality(penalty: float) -> float:
            metrics = evaluator.evaluate(cls.fit(sequences, "train", penalty), cases).metrics
            return metrics[_METRIC] or 0.0

        return cls.fit(sequences, upto, max(reversed(GRID), key=quality))

    def scores(self, histories: Sequence[History]) -> Tensor:
        """Return the summed weights of each history's items, float32 ``(cases, items)``."""
        return from_numpy((_sets(histories, len(self.weights)) @ self.weights).astype(np.float32))


def _sets(histories: Sequence[History], items: int) -> csr_array:
    """Return which history holds which item, ``(histories, items)``; repeats count once."""
    rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    columns = np.concatenate([*histories, np.empty(0, dtype=np.int64)])
    had = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(histories), items))
    had.sum_duplicates()
    had.data[:] = 1.0
    return had
