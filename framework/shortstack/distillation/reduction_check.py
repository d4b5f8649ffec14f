"""Check that losses return sums and not means, on synthetic outputs before training, where it would go unnoticed."""

import copy
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from warnings import catch_warnings

import attrs
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.contracts import DistillationLoss, LossBatch, ModelOutputs, Output
from shortstack.distillation.weighted_losses import WeightedLoss, wanted
from shortstack.errors import PluginError
from shortstack.models.decoder import Decoder
from shortstack.models.thread_generator import thread_generator
from shortstack.registry.isolation import plugin_errors

_TOKENS: Final = 4
_POSITIONS: Final = 3
_NEAR: Final = 1e-3
"""Relative tolerance: a mean is the same for twice the data but for rounding; a sum is twice as large."""


@attrs.frozen(kw_only=True, eq=False)
class Shape:
    """Shapes of a model's outputs for one synthetic example.

    Attributes:
        layers: Number of layers with states.
        hidden: Width of the states.
        candidates: Number of logits per position.
        dtype: Dtype of states and logits.
    """

    layers: int
    hidden: int
    candidates: int
    dtype: torch.dtype

    @classmethod
    def of(cls, model: PreTrainedModel, candidates: Tensor | None) -> "Shape":
        """Return the shape of a model's outputs; ``candidates`` is None for the whole vocabulary."""
        return cls(
            layers=len(Decoder.of(model).layers),
            hidden=model.config.get_text_config().hidden_size,
            candidates=model.get_input_embeddings().num_embeddings if candidates is None else len(candidates),
            dtype=model.dtype,
        )

    def outputs(self, generator: torch.Generator, *, times: int, logits: bool, states: bool) -> ModelOutputs:
        """Return synthetic outputs, repeated ``times`` times."""
        rows = self._random(generator, _POSITIONS, self.candidates)
        layers = [self._random(generator, 1, _TOKENS, self.hidden) for _ in range(self.layers)]
        return ModelOutputs(
            logits=torch.cat([rows] * times) if logits else None,
            states={i: torch.cat([layer] * times) for i, layer in enumerate(layers)} if states else None,
        )

    def _random(self, generator: torch.Generator, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(self.dtype)


def require_sum(
    losses: Sequence[WeightedLoss], modules: Sequence[nn.Module | None], student: Shape, teacher: Shape | None
) -> None:
    """Raise if a loss counts twice the terms in twice the data and yet has the same value.

    The trainer divides sums by the terms of a whole optimiser step; a mean would silently shrink with the batch. A loss
    that fails on synthetic outputs is accepted here: it raises again in training, with the real cause.

    Args:
        losses: The losses.
        modules: Result of each loss's ``prepare``; copies of them are used, on the CPU.
        student: Shapes of the student's outputs.
        teacher: Shapes of the teacher's outputs; None if there is no teacher.

    Raises:
        PluginError: A loss returns a mean; names it.
    """
    for weighted, module in zip(losses, modules, strict=True):
        tried = []
        with (
            suppress(Exception, SystemExit),
            catch_warnings(action="ignore"),
            thread_generator(),
            torch.no_grad(),
        ):
            tried = [
                _tried(weighted.loss, module, *_made_up(times, student, teacher, wanted(losses))) for times in (1, 2)
            ]
        if tried and _is_mean(*tried):
            with plugin_errors(weighted.component):
                raise PluginError(
                    f"loss {weighted.name!r} gives a mean: twice the data gives the same value, though it counts twice the "
                    "terms; return the sum over the terms, for the trainer divides by their number"
                )


def _made_up(
    times: int, student: Shape, teacher: Shape | None, needs: frozenset[Output]
) -> tuple[ModelOutputs, ModelOutputs, LossBatch]:
    """Return the arguments of a loss: synthetic data repeated ``times`` times, limited to the outputs in ``needs``."""
    generator, theirs = torch.Generator().manual_seed(0), ModelOutputs()
    logits, states = Output.STUDENT_LOGITS in needs, Output.STUDENT_STATES in needs
    ours = student.outputs(generator, times=times, logits=logits, states=states)
    if teacher is not None:
        logits, states = Output.TEACHER_LOGITS in needs, Output.TEACHER_STATES in needs
        theirs = teacher.outputs(generator, times=times, logits=logits, states=states)
    labels = torch.arange(_POSITIONS).remainder(student.candidates).repeat(times)
    return ours, theirs, LossBatch(labels=labels, mask=torch.ones(times, _TOKENS, dtype=torch.bool))


def _tried(
    loss: DistillationLoss, module: nn.Module | None, student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch
) -> tuple[float, int]:
    """Return a loss's value and count."""
    # a stateful loss must not start training with synthetic data in its state
    loss, module = copy.deepcopy((loss, module))
    return loss(student, teacher, batch, module).item(), int(loss.count(batch))


def _is_mean(once: tuple[float, int], twice: tuple[float, int]) -> bool:
    return twice[1] == 2 * once[1] > 0 and abs(twice[0] - once[0]) < _NEAR * abs(once[0])
