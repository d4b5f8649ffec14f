"""Does a model look ahead?"""

from typing import Final

import torch
from transformers import PreTrainedModel

from shortstack.errors import UnsupportedModelError
from shortstack.models.decoder import model_inputs
from shortstack.models.rest import at_rest

_SEEN: Final = 1e-3
"""Of what other tokens change at their own place. An untrained encoder of 16 channels changes 3e-3 of it before them, a
decoder nothing, or in a mixture of experts what rounding does."""


def require_causal(model: PreTrainedModel) -> None:
    """What a model says at a position must not depend on later tokens: they are the labels.

    Of a model that says NaN nothing is told here; where that comes from is found when it is scored.

    Raises:
        UnsupportedModelError: It does, as an encoder does.
    """
    pair = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1]], device=model.device)
    resting = at_rest(model)
    with torch.no_grad():
        same, other = resting(**model_inputs(model, pair, torch.ones_like(pair))).logits.float()
    sound = bool(same.isfinite().all() and other.isfinite().all())
    changed = (same - other).abs().amax(-1)
    rounding = torch.finfo(model.dtype).eps * same.abs().max()
    if sound and bool(changed[:2].max() > _SEEN * changed[-1] + rounding):
        raise UnsupportedModelError(
            f"{type(model).__name__} ({model.config.model_type}) sees the tokens that it should predict, as an encoder does; use a decoder-only causal language model"
        )
