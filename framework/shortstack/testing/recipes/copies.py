"""Fast copies of one model."""

import copy
import io
import pickle
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Copies:
    """Source of copies of a model: its Python objects are pickled once, its tensors cloned each time.

    ``copy.deepcopy`` walks through some thousand dictionaries and takes six times as long.
    """

    def __init__(self, model: "PreTrainedModel") -> None:
        """Pickle the model's objects and keep its tensors apart."""
        written = io.BytesIO()
        pickler = _WithoutTensors(written, pickle.HIGHEST_PROTOCOL)
        pickler.dump(model)
        self._objects, self._tensors = written.getvalue(), tuple(pickler.tensors.values())

    def one(self) -> "PreTrainedModel":
        """Return a copy that shares nothing with the model; tied tensors stay tied."""
        copied: PreTrainedModel = _WithTensors(io.BytesIO(self._objects), self._tensors).load()
        return copied


class _WithoutTensors(pickle.Pickler):
    """Pickler that writes a number in place of each tensor."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.tensors: dict[int, Tensor] = {}

    def persistent_id(self, obj: object) -> int | None:
        if not isinstance(obj, torch.Tensor):
            return None
        self.tensors.setdefault(id(obj), obj)
        return list(self.tensors).index(id(obj))


class _WithTensors(pickle.Unpickler):
    """Unpickler that puts a fresh clone in place of each number."""

    def __init__(self, file: io.BytesIO, tensors: tuple[Tensor, ...]) -> None:
        super().__init__(file)
        self._clones = copy.deepcopy(tensors)

    def persistent_load(self, pid: Any) -> Tensor:
        clone: Tensor = self._clones[pid]
        return clone
