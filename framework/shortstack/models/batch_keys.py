"""Keys and tensors of a batch: unread keys are refused by name, since a model may give them a meaning."""

from collections.abc import Mapping
from typing import Final, cast

import torch
from torch import Tensor

from shortstack.contracts.labels import IGNORED

KEYS: Final = ("input_ids", "attention_mask", "labels")
_PACKED: Final = "position_ids"


def unread(batch: Mapping[str, object]) -> str:
    """Return the error and remedy for the keys of a batch that holds at least ``KEYS``; empty if they are valid.

    ``position_ids`` are allowed where they equal those computed from the mask, which every model is called with.

    >>> unread({"input_ids": 0, "attention_mask": 0, "labels": 0})
    ''
    """
    others = [str(name) for name in batch if name not in KEYS]
    if _PACKED in others:
        if not _follows_mask(batch[_PACKED], batch.get("attention_mask")):
            return (
                f"has {_PACKED} that do not count the tokens of its attention_mask from 0, as where several examples are packed into "
                "one row; give each example a row of its own"
            )
        others.remove(_PACKED)
    if others:
        return f"holds {others[0]!r}, which is not read; a batch holds {', '.join(KEYS)}: leave out the rest"
    return ""


def malformed(batch: Mapping[str, object], vocabulary: int) -> str:
    """Return the error and remedy for the tensors of a batch that holds ``KEYS``; empty if they are valid.

    Args:
        batch: Unchecked batch.
        vocabulary: Number of tokens that the model knows.
    """
    for key in KEYS:
        tensor = batch[key]
        if not isinstance(tensor, Tensor) or (key != KEYS[1] and tensor.dtype != torch.int64):
            kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            return f"has {key} of type {kind}; give an int64 tensor"
    ids, _, labels = tensors = [cast("Tensor", batch[key]) for key in KEYS]
    shapes = {key: tuple(tensor.shape) for key, tensor in zip(KEYS, tensors, strict=True)}
    if len(set(shapes.values())) > 1 or ids.ndim != 2:
        return f"has shapes {shapes}; all three must be the same (batch, tokens)"
    for key, tokens in ((KEYS[0], ids), (KEYS[2], labels[labels != IGNORED])):
        wrong = tokens[(tokens < 0) | (tokens >= vocabulary)]
        if len(wrong):
            return f"has the token {int(wrong[0])} among its {key}; the model's tokens are 0 to {vocabulary - 1}"
    return ""


def _follows_mask(positions: object, mask: object) -> bool:
    """Return True if positions number the tokens that are not padding; positions of padding are ignored."""
    if not isinstance(positions, Tensor) or not isinstance(mask, Tensor) or positions.shape != mask.shape:
        return False
    real = mask.bool()
    return bool(torch.equal(positions[real].long(), (real.long().cumsum(-1) - 1)[real].to(positions.device)))
