"""What importance is measured for: each example's log-probability."""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.errors import DataError
from shortstack.models.candidates import candidate_index, candidate_logits, supervision

Objective = Callable[[PreTrainedModel, Tensor, Tensor, Tensor], Tensor]
"""``(model, input_ids, attention_mask, labels) → (batch,)``: the sum over an example's supervised positions."""


def next_token(model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
    """``(batch,)``: each example's ``log p(y | x)`` over the whole vocabulary, in float32 or wider."""
    positions, targets = supervision(labels)
    logits = candidate_logits(model, input_ids, attention_mask, positions, None)
    return _sum_by_example(logits, targets, positions)


def candidate_objective(candidates: Tensor) -> Objective:
    """An objective that ranks only these tokens: the items of a catalogue, for example.

    Args:
        candidates: int64 ``(candidates,)`` token ids; every label must be among them.
    """

    def objective(model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        positions, targets = supervision(labels)
        tokens = candidates.to(targets.device)
        places = candidate_index(tokens, model.config.get_text_config().vocab_size)[targets]
        if places.numel() and int(places.min()) < 0:
            stranger = int(targets[places < 0][0])
            raise DataError(
                f"label {stranger} is not among the {len(tokens)} candidates; give every label's token as a candidate"
            )
        logits = candidate_logits(model, input_ids, attention_mask, positions, tokens)
        return _sum_by_example(logits, places, positions)

    return objective


def _sum_by_example(logits: Tensor, targets: Tensor, positions: Tensor) -> Tensor:
    wide = torch.promote_types(logits.dtype, torch.float32)
    chosen = logits.to(wide).log_softmax(-1).gather(-1, targets[:, None])[:, 0]
    return chosen.new_zeros(len(positions)).index_add(0, positions.nonzero()[:, 0], chosen)
