"""Recipes for short trainings of a tiny student by a tiny teacher."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import attrs
from hypothesis import strategies as st

from shortstack.contracts import Selection
from shortstack.testing.recipes.corpora import Batching, Corpus
from shortstack.testing.recipes.models import FAMILIES, TinyModel

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


@attrs.frozen(kw_only=True)
class Lesson:
    """Recipe for a teacher, a student with some of its layers, and examples of uneven length.

    The student's weights are drawn anew, so that there is something to learn.

    Attributes:
        kept: The teacher's layers that the student has, ascending.
        layers: The teacher's layers.
        width: Width of the student's states, a multiple of 4; the teacher's are 16 wide.
        lengths: Tokens of each example.
        seed: Seed of the weights and the tokens.
        dtype: ``"float64"`` or ``"float32"``.
    """

    kept: tuple[int, ...] = (0, 2)
    layers: int = 3
    width: int = 16
    lengths: tuple[int, ...] = (6, 2, 3, 5, 2, 4, 6, 3)
    seed: int = 0
    dtype: Literal["float64", "float32"] = "float64"

    def teacher(self) -> "PreTrainedModel":
        """Return the teacher, in eval mode."""
        return TinyModel(layers=self.layers, seed=self.seed, dtype=self.dtype).build()

    def student(self) -> "PreTrainedModel":
        """Return a fresh student in eval mode, each time with the same weights."""
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        fields = {**FAMILIES["llama"], "hidden_size": self.width, "initializer_range": 0.3}
        config = AutoConfig.for_model("llama", num_hidden_layers=len(self.kept), **fields)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + 1)
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, self.dtype))
        return model.eval()

    def selection(self) -> Selection:
        """Return the layers of the teacher that the student has."""
        return Selection(kept=self.kept, of=self.layers)

    def examples(self) -> "list[dict[str, Tensor]]":
        """Return ``{"input_ids", "attention_mask", "labels"}`` for each example, padded to one length."""
        corpus = Corpus(lengths=self.lengths, seed=self.seed).examples()
        (batch,) = Batching(sizes=(len(corpus),)).batches(corpus)
        return [{name: rows[i] for name, rows in batch.items()} for i in range(len(corpus))]


def lessons(*, widths: Sequence[int] = (8, 16)) -> st.SearchStrategy[Lesson]:
    """Draw teachers of three layers, students with two of them, and eight examples of uneven length.

    Args:
        widths: Widths of the student's states, simplest first; the teacher's are 16 wide.
    """
    lengths = st.permutations([6, 2, 3, 5, 2, 4, 6, 3]).map(tuple)
    return st.builds(
        Lesson,
        kept=st.sampled_from([(0, 2), (1, 2)]),
        width=st.sampled_from(widths),
        lengths=lengths,
        seed=st.integers(0, 99),
    )
