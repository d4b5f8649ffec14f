"""Per-example objectives, computed from the logits at the supervised positions."""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.errors import DataError
from shortstack.models.candidates import candidate_index, candidate_logits, supervision

Objective = Callable[[PreTrainedModel, Tensor, Tensor, Tensor], Tensor]
"""``(model, input_ids, attention_mask, labels) → (batch,)``: the sum over an example's supervised positions."""
Valued = Callable[[Tensor, Tensor], Tensor]
"""``(logits, targets) → (positions,)``, of logits ``(positions, candidates)`` and the correct candidates' indices; or
``(positions, values)``, for several values at once."""


def over_candidates(candidates: Tensor, valued: Valued) -> Objective:
    """Return an objective over the logits of some tokens.

    Args:
        candidates: int64 ``(candidates,)`` token ids; every label must be among them.
        valued: Value, or values, of each supervised position.

    Returns:
        The objective; ``(batch, values)`` if ``valued`` gives several values. It raises a DataError for a label that is
        not a candidate.
    """

    def objective(model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        positions, targets = supervision(labels)
        tokens = candidates.to(targets.device)
        places = candidate_index(tokens, model.config.get_text_config().vocab_size)[targets]
        if places.numel() and int(places.min()) < 0:
            unknown = int(targets[places < 0][0])
            raise DataError(
                f"label {unknown} is not among the {len(tokens)} candidates; give every label's token as a candidate"
            )
        logits = candidate_logits(model, input_ids, attention_mask, positions, tokens)
        return summed_by_example(valued(logits, places), positions)

    return objective


def log_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    """Return ``log p`` of the correct candidate at each position, ``(positions,)``, in float32 or wider.

    >>> log_probabilities(torch.zeros(1, 2), torch.tensor([1])).exp()
    tensor([0.5000])
    """
    wide = torch.promote_types(logits.dtype, torch.float32)  # half precision would round the log-probabilities
    return logits.to(wide).log_softmax(-1).gather(-1, targets[:, None])[:, 0]


def summed_by_example(values: Tensor, positions: Tensor) -> Tensor:
    """Sum values ``(positions, …)`` by example, ``(batch, …)``, given a mask ``(batch, tokens)`` of their positions.

    >>> summed_by_example(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([[True, True], [False, True]]))
    tensor([3., 4.])
    """
    return values.new_zeros(len(positions), *values.shape[1:]).index_add(0, positions.nonzero()[:, 0], values)
