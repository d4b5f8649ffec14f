"""Ranking metrics as objectives of importance: what leaving a layer out costs in NDCG, and not only in loss."""

from collections.abc import Callable

from torch import Tensor
from transformers import PreTrainedModel

from shortstack.errors import UnknownNameError
from shortstack.evaluation.metrics import METRICS, mid_ranks
from shortstack.models.candidates import candidate_index, candidate_logits, supervision


def ranking_objective(
    candidates: Tensor, metric: str = "ndcg", cutoff: int = 10
) -> Callable[[PreTrainedModel, Tensor, Tensor, Tensor], Tensor]:
    """An objective for scorers that need no gradient, such as ``drop-loss``.

    Args:
        candidates: int64 ``(candidates,)`` token ids to rank; every label must be among them.
        metric: ``"hr"``, ``"ndcg"`` or ``"mrr"``.
        cutoff: The k of metric@k.

    Returns:
        ``(model, input_ids, attention_mask, labels) → (batch,)``, float64: the sum over an example's supervised positions.

    Raises:
        UnknownNameError: There is no such metric.
    """
    if metric not in METRICS:
        raise UnknownNameError("ranking metric", metric, METRICS)

    def objective(model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        positions, targets = supervision(labels)
        tokens = candidates.to(targets.device)
        places = candidate_index(tokens, model.config.get_text_config().vocab_size)[targets]
        scores = candidate_logits(model, input_ids, attention_mask, positions, tokens)
        ranks = mid_ranks(scores, scores.gather(1, places[:, None])[:, 0])
        values = targets.new_tensor(METRICS[metric](ranks.cpu().numpy(), cutoff), dtype=ranks.dtype)
        return values.new_zeros(len(positions)).index_add(0, positions.nonzero()[:, 0], values)

    return objective
