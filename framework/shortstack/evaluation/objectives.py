"""Ranking metrics as objectives of importance: the cost of skipping a layer in NDCG instead of loss."""

from torch import Tensor

from shortstack.errors import UnknownNameError
from shortstack.evaluation.metrics import METRICS, mid_ranks
from shortstack.models.objectives import Objective, Valued, over_candidates


def ranking_objective(candidates: Tensor, metric: str = "ndcg", cutoff: int = 10) -> Objective:
    """Return a ranking metric as an objective, for scorers that need no gradient, such as ``drop-loss``.

    Args:
        candidates: int64 ``(candidates,)`` token ids to rank; every label must be among them.
        metric: ``"hr"``, ``"ndcg"`` or ``"mrr"``.
        cutoff: The k of metric@k.

    Returns:
        ``(model, input_ids, attention_mask, labels) → (batch,)``, float64: the sum over an example's supervised positions.

    Raises:
        UnknownNameError: There is no such metric.
    """
    return over_candidates(candidates, ranked(metric, cutoff))


def ranked(metric: str, cutoff: int) -> Valued:
    """Return a function that gives metric@k, float64, of each position.

    Raises:
        UnknownNameError: There is no such metric.
    """
    if metric not in METRICS:
        raise UnknownNameError("ranking metric", metric, METRICS)

    def valued(logits: Tensor, targets: Tensor) -> Tensor:
        ranks = mid_ranks(logits, logits.gather(1, targets[:, None])[:, 0])
        return targets.new_tensor(METRICS[metric](ranks.cpu().numpy(), cutoff), dtype=ranks.dtype)

    return valued
