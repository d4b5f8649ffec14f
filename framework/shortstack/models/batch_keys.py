"""What a batch holds: what is not read is refused by name, for a model may mean something by it."""

from collections.abc import Mapping
from typing import Final, cast

import torch
from torch import Tensor

from shortstack.contracts.labels import IGNORED

KEYS: Final = ("input_ids", "attention_mask", "labels")
_PACKED: Final = "position_ids"


def unread(batch: Mapping[str, object]) -> str:
    """What is wrong with the keys of a batch that holds ``KEYS`` at least, and what to do; empty if nothing is.

    ``position_ids`` are allowed where they are those that the mask gives, which every model is called with.
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
    """What is wrong with the tensors of a batch that holds ``KEYS``, and what is right; empty if nothing is.

    Args:
        batch: Of any origin.
        vocabulary: How many tokens the model knows.
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
    """Whether they number the tokens that are not padding; what stands at padding means nothing."""
    if not isinstance(positions, Tensor) or not isinstance(mask, Tensor) or positions.shape != mask.shape:
        return False
    real = mask.bool()
    return bool(torch.equal(positions[real].long(), (real.long().cumsum(-1) - 1)[real].to(positions.device)))
