"""What a model must be before it is scored: causal, with plain weights, and whether its output depends on left padding."""

import inspect
from typing import Final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.errors import UnsupportedModelError
from shortstack.models.decoder import Decoder, model_inputs
from shortstack.models.frozen import frozen_copy

_SEEN: Final = 1e-3
"""Of what other tokens change at their own place. An untrained encoder of 16 channels changes 3e-3 of it before them, a
decoder nothing, or in a mixture of experts what rounding does."""


def require_causal(model: PreTrainedModel) -> None:
    """What a model says at a position must not depend on later tokens: they are the labels.

    A model with NaN logits passes; the layer that causes them is found when it is scored.

    Raises:
        UnsupportedModelError: It does, as an encoder does.
    """
    pair = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1]], device=model.device)
    resting = frozen_copy(model)
    with torch.no_grad():
        same, other = resting(**model_inputs(model, pair, torch.ones_like(pair))).logits.float()
    sound = bool(same.isfinite().all() and other.isfinite().all())
    changed = (same - other).abs().amax(-1)
    rounding = torch.finfo(model.dtype).eps * same.abs().max()
    if sound and bool(changed[:2].max() > _SEEN * changed[-1] + rounding):
        raise UnsupportedModelError(
            f"{type(model).__name__} ({model.config.model_type}) sees the tokens that it should predict, as an encoder does; use a decoder-only causal language model"
        )


_HEARD: Final = 1e-4
"""Of the largest logit, besides what rounding does."""
_EXAMPLE: Final = (1, 0, 0, 1)
_PADDING: Final = ((0, 0, 0), (1, 1, 1))


def depends_on_left_padding(model: PreTrainedModel) -> bool:
    """Return whether a model's output for an example depends on the masked tokens before it.

    It does in recurrent models, which read them all the same, and in those that count positions by themselves. A model
    with NaN logits counts as independent.
    """
    zeros, ones = _PADDING
    ids = torch.tensor([(*zeros, *_EXAMPLE), (*ones, *_EXAMPLE), (*_EXAMPLE, *zeros)], device=model.device)
    mask = torch.ones_like(ids)
    mask[:2, : len(zeros)] = 0
    mask[2, len(_EXAMPLE) :] = 0
    resting = frozen_copy(model)
    with torch.no_grad():
        logits = resting(**model_inputs(model, ids, mask)).logits.float()
    said, others = logits[0, len(zeros) :], [logits[1, len(zeros) :]]
    if "position_ids" not in inspect.signature(model.forward).parameters:  # where given, they are right
        others.append(logits[2, : len(_EXAMPLE)])
    bound = (_HEARD + 8 * torch.finfo(model.dtype).eps) * said.abs().max()
    return any(bool((other - said).abs().max() > bound) for other in others)


_INDICES: Final = frozenset({torch.int64, torch.bool})
"""What masks and tables of indices are kept in; packed weights never are."""


def require_plain_weights(decoder: Decoder) -> None:
    """Quantised weights are often no parameters, so that a sum over parameters would leave them out without a word.

    Raises:
        UnsupportedModelError: A weight of a layer is packed, or kept in integers or in 8 bits.
    """
    for index, layer in enumerate(decoder.layers):
        parameters = dict(layer.named_parameters())
        for name, value in layer.state_dict().items():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            if not (_has_gradient(value) or (kind in _INDICES and name not in parameters)):
                raise UnsupportedModelError(
                    f"{decoder.path}.{index}.{name} is of type {kind} and has no gradient; load the model without quantisation"
                )


def _has_gradient(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.element_size() > 1
