"""Checks of a model before it is scored: causal, with plain weights, and independent of left padding or not."""

import inspect
from typing import Final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.errors import UnsupportedModelError
from shortstack.models.decoder import Decoder, model_inputs
from shortstack.models.frozen import frozen_copy

_SEEN: Final = 1e-3
"""Tolerated change at earlier positions, relative to the change at a token's own. For an untrained encoder of 16
channels it is 3e-3, for a decoder 0, or rounding in a mixture of experts."""


def require_causal(model: PreTrainedModel) -> None:
    """Raise if a model's logits depend on later tokens, which are the labels.

    A model with NaN logits passes; the layer that causes them is identified when it is scored.

    Raises:
        UnsupportedModelError: The model is not causal, as an encoder.
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
"""Tolerated difference, relative to the largest logit, in addition to rounding."""
_EXAMPLE: Final = (1, 0, 0, 1)
_PADDING: Final = ((0, 0, 0), (1, 1, 1))


def depends_on_left_padding(model: PreTrainedModel) -> bool:
    """Return whether a model's output for an example depends on the masked tokens before it.

    It does in recurrent models, which read masked tokens, and in those that count positions themselves. A model with
    NaN logits counts as independent.
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
"""Dtypes of masks and index tables, which packed weights never have."""


def require_plain_weights(decoder: Decoder) -> None:
    """Raise if a layer has quantised weights: often they are not parameters, so sums over parameters would miss them.

    Raises:
        UnsupportedModelError: A weight of a layer is packed, or stored as integers or in 8 bits.
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
