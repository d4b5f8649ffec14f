"""Does a model hear padding on the left?"""

import inspect
from typing import Final

import torch
from transformers import PreTrainedModel

from shortstack.models.decoder import model_inputs
from shortstack.models.rest import at_rest

_HEARD: Final = 1e-4
"""Of the largest logit, besides what rounding does."""
_EXAMPLE: Final = (1, 0, 0, 1)
_PADDING: Final = ((0, 0, 0), (1, 1, 1))


def hears_left_padding(model: PreTrainedModel) -> bool:
    """Whether what a model says of an example hangs on the masked tokens before it.

    It does in recurrent models, which read them all the same, and in those that count positions by themselves. Of a model
    that says NaN nothing is told.
    """
    zeros, ones = _PADDING
    ids = torch.tensor([(*zeros, *_EXAMPLE), (*ones, *_EXAMPLE), (*_EXAMPLE, *zeros)], device=model.device)
    mask = torch.ones_like(ids)
    mask[:2, : len(zeros)] = 0
    mask[2, len(_EXAMPLE) :] = 0
    resting = at_rest(model)
    with torch.no_grad():
        logits = resting(**model_inputs(model, ids, mask)).logits.float()
    said, others = logits[0, len(zeros) :], [logits[1, len(zeros) :]]
    if "position_ids" not in inspect.signature(model.forward).parameters:  # where given, they are right
        others.append(logits[2, : len(_EXAMPLE)])
    bound = (_HEARD + 8 * torch.finfo(model.dtype).eps) * said.abs().max()
    return any(bool((other - said).abs().max() > bound) for other in others)
