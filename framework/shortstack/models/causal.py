"""Does a model look ahead?"""

import torch
from transformers import PreTrainedModel

from shortstack.errors import UnsupportedModelError
from shortstack.models.decoder import model_inputs


def require_causal(model: PreTrainedModel) -> None:
    """What a model says at a position must not depend on later tokens: they are the labels.

    Of a model that says NaN nothing is told here; where that comes from is found when it is scored.

    Raises:
        UnsupportedModelError: It does, as an encoder does.
    """
    pair = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1]], device=model.device)
    with torch.inference_mode():
        same, other = model(**model_inputs(model, pair, torch.ones_like(pair))).logits[:, 0]
    sound = bool(same.isfinite().all() and other.isfinite().all())
    if sound and not torch.allclose(same.float(), other.float(), rtol=1e-2, atol=1e-3):
        raise UnsupportedModelError(
            f"{type(model).__name__} ({model.config.model_type}) sees the tokens that it should predict, as an encoder does; use a decoder-only causal language model"
        )
