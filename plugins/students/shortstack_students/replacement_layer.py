"""``replacement-layer``: the layer before each gap is trained to do the work of the removed layers too.

For a gap after the kept layer ``a``, up to the teacher's layer ``b``, the student's copy of ``a`` starts from its own weights and is
trained to turn the states that enter it, ``x``, into those that leave ``b`` in the teacher, ``y``, over the unmasked calibration tokens:

    ``min_θ Σ ‖f_θ(x) − y‖² / (tokens · width)``

by AdamW without weight decay, the learning rate falling to 0 along a cosine. With the strategy ``contiguous`` that is a block ``a … b`` of the
teacher with one layer in its place, which starts as the first of the block. Gaps are filled from the embeddings up, each on the states
of the student so far. A gap before the first kept layer has no layer to train and stays. Weights that are no better on the calibration
examples than those at the start are not kept.

Source: Chen et al. 2025, Streamlining Redundant Layers to Compress Large Language Models (LLM-Streamline), arXiv 2403.19135, section 3. Its
block is chosen by the similarity of the states around all of it; here the chosen layers are the ones that go, and the layer
before them joins the block.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import Selection, StudentDescriptor, StudentTraits
from shortstack_students.layer_subset import LayerSubset

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel


@attrs.frozen(kw_only=True)
class ReplacementLayerSettings:
    """Settings of ``replacement-layer``.

    Attributes:
        steps: Optimiser steps for each gap; each is on one calibration batch, in their order, again and again.
        learning_rate: The first learning rate, which falls to 0.
    """

    steps: int = attrs.field(default=200, validator=attrs.validators.ge(1))
    learning_rate: float = attrs.field(default=2e-4, validator=attrs.validators.gt(0))


@attrs.frozen
class ReplacementLayer:
    """A student of some of the layers, of which those before gaps are trained to stand for what is missing.

    Attributes:
        settings: The training.
    """

    settings: ReplacementLayerSettings = attrs.field(factory=ReplacementLayerSettings)

    def shrink(self, config: "PreTrainedConfig", selection: Selection) -> "PreTrainedConfig":
        """See ``StudentArchitecture``."""
        return LayerSubset().shrink(config, selection)

    def count_parameters(self, config: "PreTrainedConfig") -> int:
        """See ``StudentArchitecture``."""
        return LayerSubset().count_parameters(config)

    def transfer(
        self,
        teacher: "PreTrainedModel",
        student: "PreTrainedModel",
        selection: Selection,
        calibration: "Iterable[dict[str, Tensor]]",
    ) -> dict[str, str]:
        """See ``StudentArchitecture``."""
        from shortstack.models import Decoder
        from shortstack_students.lessons import lessons, train
        from shortstack_students.stream import gaps_of, required

        copies = LayerSubset().transfer(teacher, student, selection, ())
        gaps = [gap for gap in gaps_of(selection) if gap.place]
        batches = required(calibration, "replacement-layer") if gaps else []
        decoder = Decoder.of(student)
        for gap in gaps:
            layer = decoder.layers[gap.place - 1]
            if train(
                layer,
                lessons(teacher, student, gap, batches),
                steps=self.settings.steps,
                rate=self.settings.learning_rate,
            ):
                trained = {f"{decoder.path}.{gap.place - 1}.{name}" for name, _ in layer.named_parameters()}
                copies = {
                    name: source
                    for name, source in copies.items()
                    # a few small steps may round to nothing in a short type, which leaves a copy
                    if name not in trained or _is_copy(teacher, student, name, source)
                }
        return copies


def _is_copy(teacher: "PreTrainedModel", student: "PreTrainedModel", name: str, source: str) -> bool:
    import torch

    return torch.equal(student.get_parameter(name).cpu(), teacher.get_parameter(source).cpu())


DESCRIPTOR = StudentDescriptor(
    name="replacement-layer",
    summary="The kept layers, of which each before a gap is trained to do what the removed ones did; a stock model.",
    build=ReplacementLayer,
    config=ReplacementLayerSettings,
    reference="https://arxiv.org/abs/2403.19135",
    traits=StudentTraits(whole_layers=False),
)
