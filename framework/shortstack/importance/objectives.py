"""Objectives whose gradients and changes define importance: each example's log-probability."""

from torch import Tensor
from transformers import PreTrainedModel

from shortstack.models.candidates import candidate_logits, supervision
from shortstack.models.objectives import Objective, log_probabilities, over_candidates, summed_by_example


def next_token(model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
    """Return each example's ``log p(y | x)`` over the whole vocabulary, ``(batch,)``, in float32 or wider."""
    positions, targets = supervision(labels)
    logits = candidate_logits(model, input_ids, attention_mask, positions, None)
    return summed_by_example(log_probabilities(logits, targets), positions)


def candidate_objective(candidates: Tensor) -> Objective:
    """Return an objective over these tokens only: the items of a catalogue, for example.

    Args:
        candidates: int64 ``(candidates,)`` token ids; every label must be among them.
    """
    return over_candidates(candidates, log_probabilities)
