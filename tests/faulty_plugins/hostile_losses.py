"""Distillation losses that are wrong, each at one place."""

import attrs
import torch
from torch.nn import functional as F

from shortstack.contracts import LossDescriptor, Output
from shortstack.hooks import hookimpl


@attrs.frozen
class Where:
    """Setting that selects the method with the fault."""

    at: str = "call"


VALUES = {
    "call": lambda value: value.no_such_thing,
    "mean": lambda value: value.mean(),
    "nan": lambda value: value.sum() * float("nan"),
    "rows": lambda value: value,
    "half": lambda value: value.sum().bfloat16(),
    "number": lambda value: 0.5,
    "detached": lambda value: value.sum().detach(),
}


@attrs.define
class Hostile:
    """Cross-entropy with a fault in one method."""

    at: str

    @property
    def needs(self):
        """Outputs that the loss reads."""
        return ["logits"] if self.at == "needs" else frozenset({Output.STUDENT_LOGITS})

    def prepare(self, teacher, student, selection):
        """Return no module, or raise."""
        if self.at == "prepare":
            raise IndexError("no layer 9")
        return torch.zeros(3) if self.at == "tensor" else None

    def count(self, batch):
        """Return the number of positions, or raise."""
        if self.at == "count":
            raise IndexError("no position")
        count = batch.labels.new_tensor(batch.labels.numel())
        return count.float() if self.at == "share" else count

    def __call__(self, student, teacher, batch, module):
        """Return the sum, or the value with the selected fault."""
        value = F.cross_entropy(student.logits.float(), batch.labels, reduction="none")
        return VALUES.get(self.at, torch.sum)(value)


@hookimpl
def shortstack_losses():
    """Yield the loss."""
    yield LossDescriptor(name="hostile", summary="Hostile.", build=lambda config: Hostile(config.at), config=Where)
