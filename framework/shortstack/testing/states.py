"""States of folds, written as safetensors and JSON and read back."""

import json
from typing import Any

import torch
from safetensors.torch import load, save

from shortstack.importance.states import put_away, rebuilt


def stored_and_read(state: Any) -> Any:
    """Return a copy of a state after serialisation: tensors through safetensors, plain values through JSON.

    Raises:
        TypeError: The state holds something that is neither; the message gives its type and place.
    """
    tensors, plain = put_away(state)
    return rebuilt(load(save(tensors)), json.loads(json.dumps(plain)))


def same_state(left: Any, right: Any) -> bool:
    """Return True if two states hold bitwise equal tensors and equal values."""
    ours, theirs = put_away(left), put_away(right)
    same = all(torch.equal(tensor, theirs[0][name]) for name, tensor in ours[0].items() if name in theirs[0])
    return same and ours[0].keys() == theirs[0].keys() and repr(ours[1]) == repr(theirs[1])
