"""The state of a fold, put away as safetensors and JSON and read back."""

import json
from typing import Any

import torch
from safetensors.torch import load, save

from shortstack.importance.states import put_away, rebuilt


def stored_and_read(state: Any) -> Any:
    """A copy of a state that has been through bytes: tensors through safetensors, plain values through JSON.

    Raises:
        TypeError: It holds something that is neither; says what, and where.
    """
    tensors, plain = put_away(state)
    return rebuilt(load(save(tensors)), json.loads(json.dumps(plain)))


def same_state(left: Any, right: Any) -> bool:
    """Whether two states hold the same tensors, bit for bit, and the same values."""
    ours, theirs = put_away(left), put_away(right)
    same = all(torch.equal(tensor, theirs[0][name]) for name, tensor in ours[0].items() if name in theirs[0])
    return same and ours[0].keys() == theirs[0].keys() and repr(ours[1]) == repr(theirs[1])
