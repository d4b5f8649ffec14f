"""Precision of trained weights."""

import logging
from typing import Final

import torch
from transformers import PreTrainedModel

_FEWEST: Final = 4
"""Smallest size in bytes of a trained weight: bfloat16 has 8 bits of mantissa, so 1 + 1/512 is 1."""
_LOG = logging.getLogger(__name__)


def widen(model: PreTrainedModel) -> None:
    """Convert a model to float32, in place, if any trained weight has 16 bits, and log it."""
    narrow = {p.dtype for p in model.parameters() if p.requires_grad and p.element_size() < _FEWEST}
    if not narrow:
        return
    model.float()
    model.config.dtype = torch.float32
    names = " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in narrow))
    _LOG.warning(
        "the weights of %s were %s and are float32 now, to learn from small steps", type(model).__name__, names
    )
