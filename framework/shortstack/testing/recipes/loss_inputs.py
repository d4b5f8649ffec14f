"""Recipes for the inputs of distillation losses: logits, states, labels and masks, without any model."""

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import attrs

from shortstack.contracts import LossBatch, ModelOutputs, Selection

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from transformers import PreTrainedConfig


@attrs.frozen(kw_only=True, eq=False)
class Given:
    """Inputs of a loss for one batch.

    Attributes:
        student: All outputs of the student that a loss may need.
        teacher: All outputs of the teacher that a loss may need.
        batch: The labels and masks.
        supervised: Number of supervised positions in each row of the batch.
    """

    student: ModelOutputs
    teacher: ModelOutputs
    batch: LossBatch
    supervised: tuple[int, ...]


@attrs.frozen(kw_only=True)
class LossInputs:
    """Recipe for the inputs of a loss: one batch of outputs of two models that never existed.

    Attributes:
        lengths: Tokens of each row that are no padding; 0 for a row of padding alone.
        supervised: The tokens that have a label: ``"every"``, only the ``"last"`` of a row, or ``"nothing"``.
        side: Side on which shorter rows are padded.
        candidates: Columns of the logits, at least 2.
        kept: The teacher's layers that the student has, ascending.
        layers: The teacher's layers.
        widths: The width of the student's states, and of the teacher's; even.
        scale: Standard deviation of logits and states.
        apart: Distance of the models: 0 for equal outputs, 1 for independent ones.
        seed: Seed of all numbers.
        dtype: ``"float64"``, ``"float32"`` or ``"bfloat16"``.

    >>> LossInputs(lengths=(3, 1), candidates=5).build().student.logits.shape
    torch.Size([4, 5])
    """

    lengths: tuple[int, ...] = (2,)
    supervised: Literal["every", "last", "nothing"] = "every"
    side: Literal["left", "right"] = "right"
    candidates: int = attrs.field(default=4, validator=attrs.validators.ge(2))
    kept: tuple[int, ...] = (0,)
    layers: int = 2
    widths: tuple[int, int] = (4, 4)
    scale: float = 1.0
    apart: float = 1.0
    seed: int = 0
    dtype: Literal["float64", "float32", "bfloat16"] = "float64"

    def build(self) -> Given:
        """Return the outputs, labels and masks; fresh tensors each time."""
        import torch

        generator = torch.Generator().manual_seed(self.seed)
        mask = self._mask()
        supervised = tuple(self._positions(length) for length in self.lengths)
        positions = (sum(supervised), self.candidates)
        batch = LossBatch(labels=torch.randint(self.candidates, positions[:1], generator=generator), mask=mask)
        preferred, theirs = self._normal(positions, generator), self._states(mask, generator, self.layers, teacher=True)
        logits = self._departed(preferred, self._normal(positions, generator))
        ours = self._states(mask, generator, len(self.kept), teacher=False)
        if self.widths[0] == self.widths[1]:
            ours = {layer: self._departed(theirs[self.kept[layer]], state) for layer, state in ours.items()}
        return Given(
            student=self._outputs(logits, ours),
            teacher=self._outputs(preferred, theirs),
            batch=batch,
            supervised=supervised,
        )

    def student_config(self) -> "PreTrainedConfig":
        """Return a config of a model that could have given the student's outputs."""
        return _config(len(self.kept), self.widths[0])

    def teacher_config(self) -> "PreTrainedConfig":
        """Return a config of a model that could have given the teacher's outputs."""
        return _config(self.layers, self.widths[1])

    def selection(self) -> Selection:
        """Return the layers of the teacher that the student has."""
        return Selection(kept=self.kept, of=self.layers)

    def _mask(self) -> "Tensor":
        import torch

        columns = torch.arange(max(1, *self.lengths))
        mask = columns < torch.tensor(self.lengths)[:, None]
        return mask.flip(1) if self.side == "left" else mask

    def _positions(self, length: int) -> int:
        return {"every": length, "last": min(length, 1), "nothing": 0}[self.supervised]

    def _normal(self, shape: tuple[int, ...], generator: "Generator") -> "Tensor":
        import torch

        return self.scale * torch.randn(shape, generator=generator, dtype=torch.float64)

    def _states(self, mask: "Tensor", generator: "Generator", layers: int, *, teacher: bool) -> "dict[int, Tensor]":
        shape = (*mask.shape, self.widths[teacher])
        return {layer: self._normal(shape, generator) for layer in range(layers)}

    def _departed(self, teacher: "Tensor", other: "Tensor") -> "Tensor":
        """Return a mixture of the same standard deviation; a plain mean would make the student less certain."""
        return math.sqrt(1 - self.apart**2) * teacher + self.apart * other

    def _outputs(self, logits: "Tensor", states: "dict[int, Tensor]") -> ModelOutputs:
        import torch

        dtype: torch.dtype = getattr(torch, self.dtype)
        return ModelOutputs(logits=logits.to(dtype), states={layer: s.to(dtype) for layer, s in states.items()})


@lru_cache(maxsize=64)
def _config(layers: int, width: int) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(
        "llama",
        vocab_size=40,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=1,
        num_key_value_heads=1,
    )
