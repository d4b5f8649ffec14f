"""Are a layer's weights numbers that have gradients?"""

from typing import Final

import torch
from torch import Tensor

from shortstack.errors import UnsupportedModelError
from shortstack.models.decoder import Decoder

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
