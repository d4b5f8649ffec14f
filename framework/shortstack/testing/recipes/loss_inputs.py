"""Recipes for the inputs of distillation losses: logits, states, attention, labels and masks, without any model."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs
from hypothesis import strategies as st

from shortstack.contracts import AttentionInputs, LossBatch, ModelOutputs, Selection

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
        widths: The width of the student's states, and of the teacher's; even. Heads are 2 wide.
        grouped: All heads share one key head; otherwise each has its own.
        scale: Standard deviation of logits, states, and queries, keys and values.
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
    grouped: bool = False
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
        attention = self._attention(mask, generator, self.layers, teacher=True)
        narrow = self._attention(mask, generator, len(self.kept), teacher=False)
        if self.widths[0] == self.widths[1]:
            ours = {layer: self._departed(theirs[self.kept[layer]], state) for layer, state in ours.items()}
            narrow = {
                layer: list(map(self._departed, attention[self.kept[layer]], parts)) for layer, parts in narrow.items()
            }
        return Given(
            student=self._outputs(logits, ours, narrow),
            teacher=self._outputs(preferred, theirs, attention),
            batch=batch,
            supervised=supervised,
        )

    def student_config(self) -> "PreTrainedConfig":
        """Return a config of a model that could have given the student's outputs."""
        return _config(len(self.kept), self.widths[0], self._key_heads(self.widths[0]))

    def teacher_config(self) -> "PreTrainedConfig":
        """Return a config of a model that could have given the teacher's outputs."""
        return _config(self.layers, self.widths[1], self._key_heads(self.widths[1]))

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

    def _attention(
        self, mask: "Tensor", generator: "Generator", layers: int, *, teacher: bool
    ) -> "dict[int, list[Tensor]]":
        """Return queries, keys and values of each layer."""
        rows, tokens = mask.shape
        heads = self.widths[teacher] // _HEAD
        shapes = [(rows, count, tokens, _HEAD) for count in (heads, *[self._key_heads(self.widths[teacher])] * 2)]
        return {layer: [self._normal(shape, generator) for shape in shapes] for layer in range(layers)}

    def _key_heads(self, width: int) -> int:
        return 1 if self.grouped else width // _HEAD

    def _departed(self, teacher: "Tensor", other: "Tensor") -> "Tensor":
        """Return a mixture of the same standard deviation; a plain mean would make the student less certain."""
        return math.sqrt(1 - self.apart**2) * teacher + self.apart * other

    def _outputs(
        self, logits: "Tensor", states: "dict[int, Tensor]", attention: "dict[int, list[Tensor]]"
    ) -> ModelOutputs:
        import torch

        dtype: torch.dtype = getattr(torch, self.dtype)
        inputs = {}
        for layer, parts in attention.items():
            queries, keys, values = (part.to(dtype) for part in parts)
            inputs[layer] = AttentionInputs(queries=queries, keys=keys, values=values)
        return ModelOutputs(
            logits=logits.to(dtype), states={layer: s.to(dtype) for layer, s in states.items()}, attention=inputs
        )


@lru_cache(maxsize=64)
def _config(layers: int, width: int, key_heads: int) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(
        "llama",
        vocab_size=40,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // _HEAD,
        num_key_value_heads=key_heads,
    )


_HEAD: Final = 2
"""Width of each head."""
_SCALES = (1.0, 0.1, 8.0)

MANY_LAYERS: Final = 12
"""More layers than a teacher has otherwise; their numbers sort differently as text."""


@st.composite
def loss_inputs(
    draw: st.DrawFn,
    *,
    rows: tuple[int, int] = (1, 4),
    tokens: tuple[int, int] = (1, 5),
    candidates: tuple[int, int] = (2, 9),
    scales: Sequence[float] = _SCALES,
    apart: Sequence[float] = (1.0,),
    widths: Sequence[tuple[int, int]] = ((4, 4), (4, 6)),
    dtypes: Sequence[Literal["float64", "float32", "bfloat16"]] = ("float64", "float32"),
    all_kept: bool = False,
) -> LossInputs:
    """Draw batches of a student and a teacher: logits, states, attention, labels and masks; they shrink to one token.

    Args:
        draw: Supplied by Hypothesis.
        rows: Smallest and largest number of rows.
        tokens: Smallest and largest number of tokens of a row.
        candidates: Smallest and largest number of columns of the logits.
        scales: Standard deviations of logits, states, and queries, keys and values.
        apart: Distances of the two models, from 0 to 1.
        widths: Widths of the student's states and of the teacher's.
        dtypes: Types of all outputs.
        all_kept: True if the student has all of the teacher's layers.
    """
    layers = draw(st.sampled_from([1, 2, 3, 4, MANY_LAYERS, MANY_LAYERS]))
    some = st.lists(st.integers(0, layers - 1), min_size=1, unique=True).map(sorted)
    if layers == MANY_LAYERS:  # keep more than ten layers: their numbers sort differently as text ("10" < "2")
        some = st.integers(0, layers - 1).map(lambda dropped: [layer for layer in range(layers) if layer != dropped])
    return LossInputs(
        lengths=draw(st.lists(st.integers(*tokens), min_size=rows[0], max_size=rows[1]).map(tuple)),
        supervised=draw(st.sampled_from(["every", "last"])),
        side=draw(st.sampled_from(["right", "left"])),
        candidates=draw(st.integers(*candidates)),
        kept=tuple(range(layers) if all_kept else draw(some)),
        layers=layers,
        widths=draw(st.sampled_from(widths)),
        grouped=draw(st.booleans()),
        scale=draw(st.sampled_from(scales)),
        apart=draw(st.sampled_from(apart)),
        seed=draw(st.integers(0, 999)),
        dtype=draw(st.sampled_from(dtypes)),
    )


def catalogues(
    *, dtypes: Sequence[Literal["float64", "float32", "bfloat16"]] = ("float64", "float32")
) -> st.SearchStrategy[LossInputs]:
    """Draw ``loss_inputs`` with a handful of candidates, or with as many as a catalogue has: more than a thousand."""
    large = loss_inputs(rows=(1, 1), tokens=(1, 2), candidates=(1_025, 1_200), dtypes=dtypes)
    return loss_inputs(dtypes=dtypes) | large


def temperatures(*, high: bool = False) -> st.SearchStrategy[float]:
    """Draw temperatures, as users set them, and any between; 1 first.

    Args:
        high: True to draw up to 1,000 too, where a divergence is nearly a squared distance.
    """
    return st.sampled_from([1.0, 2.0, 0.5, 4.0, 10.0, *((100.0, 1000.0) if high else ())]) | st.floats(0.3, 12.0)
