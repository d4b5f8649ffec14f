"""Trials of losses on synthetic outputs before training: whether one returns a mean, or mixes positions."""

import copy
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from warnings import catch_warnings

import attrs
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.contracts import AttentionInputs, DistillationLoss, LossBatch, ModelOutputs, Output
from shortstack.distillation.model_outputs import STUDENT_OUTPUTS, TEACHER_OUTPUTS, OutputsOf
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
        layers: Number of layers.
        hidden: Width of the states, and of the one head that the attention is made of.
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

    def outputs(
        self, generator: torch.Generator, needs: frozenset[Output], which: OutputsOf, *, times: int
    ) -> ModelOutputs:
        """Return synthetic outputs, those of ``which`` that are in ``needs``, repeated ``times`` times."""
        rows = self._random(generator, _POSITIONS, self.candidates)
        states, attention = (self._layers(generator, times) for _ in range(2))
        return ModelOutputs(
            logits=torch.cat([rows] * times) if which.logits in needs else None,
            states=states if which.states in needs else None,
            attention={i: _one_head(x) for i, x in attention.items()} if which.attention in needs else None,
        )

    def _layers(self, generator: torch.Generator, times: int) -> dict[int, Tensor]:
        """Return random numbers ``(times, tokens, hidden)`` for each layer, the same for each time."""
        layers = [self._random(generator, 1, _TOKENS, self.hidden) for _ in range(self.layers)]
        return {i: torch.cat([layer] * times) for i, layer in enumerate(layers)}

    def _random(self, generator: torch.Generator, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(self.dtype)


def _one_head(numbers: Tensor) -> AttentionInputs:
    """Return the same numbers ``(batch, tokens, width)`` as queries, keys and values of one head."""
    return AttentionInputs(queries=numbers[:, None], keys=numbers[:, None], values=numbers[:, None])


def tried_losses(
    losses: Sequence[WeightedLoss],
    modules: Sequence[nn.Module | None],
    student: PreTrainedModel,
    teacher: PreTrainedModel | None,
    candidates: Tensor | None,
    *,
    sums: bool,
) -> tuple[WeightedLoss, ...]:
    """Return the losses, those that turn out not to be additive over positions marked as such.

    Args:
        losses: The losses.
        modules: Result of each loss's ``prepare``; copies of them are used, on the CPU.
        student: The model that is trained.
        teacher: The model to distil from; None for none.
        candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
        sums: Raise if a loss returns a mean.

    Raises:
        PluginError: A loss returns a mean; names it.
    """
    shapes = Shape.of(student, candidates), teacher and Shape.of(teacher, candidates)
    if sums:
        require_sum(losses, modules, *shapes)
    return additive_alone(losses, modules, *shapes)


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


def additive_alone(
    losses: Sequence[WeightedLoss], modules: Sequence[nn.Module | None], student: Shape, teacher: Shape | None
) -> tuple[WeightedLoss, ...]:
    """Return the losses, those that turn out not to be additive over positions marked as such.

    A loss that compares positions with each other, such as a contrast within the batch, has another value in parts.

    Args:
        losses: The losses.
        modules: Result of each loss's ``prepare``; copies of them are used, on the CPU.
        student: Shapes of the student's outputs.
        teacher: Shapes of the teacher's outputs; None if there is no teacher.
    """
    ours, theirs, batch = _made_up(1, student, teacher, wanted(losses))
    tried = [
        weighted.additive and not weighted.needs_states and _adds_up(weighted.loss, module, ours, theirs, batch)
        for weighted, module in zip(losses, modules, strict=True)
    ]
    return tuple(attrs.evolve(weighted, additive=adds_up) for weighted, adds_up in zip(losses, tried, strict=True))


def _adds_up(
    loss: DistillationLoss, module: nn.Module | None, student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch
) -> bool:
    """Return True if a loss of logits is the sum of its values for parts of the positions."""
    values: list[float] = []
    parts = (slice(None), slice(0, 1), slice(1, None))
    with suppress(Exception, SystemExit), catch_warnings(action="ignore"), thread_generator(), torch.no_grad():
        for part in parts:
            labels = batch.labels[part]
            alone = LossBatch(labels=labels, mask=torch.ones(len(labels), 1, dtype=torch.bool))
            values.append(_tried(loss, module, _logits_of(student, part), _logits_of(teacher, part), alone)[0])
    if len(values) < len(parts):
        return False
    whole, *others = values
    return math.isclose(whole, sum(others), rel_tol=_NEAR, abs_tol=_NEAR * max(map(abs, others)))


def _logits_of(outputs: ModelOutputs, part: slice) -> ModelOutputs:
    return ModelOutputs(logits=None if outputs.logits is None else outputs.logits[part])


def _made_up(
    times: int, student: Shape, teacher: Shape | None, needs: frozenset[Output]
) -> tuple[ModelOutputs, ModelOutputs, LossBatch]:
    """Return the arguments of a loss: synthetic data repeated ``times`` times, limited to the outputs in ``needs``."""
    generator, theirs = torch.Generator().manual_seed(0), ModelOutputs()
    ours = student.outputs(generator, needs, STUDENT_OUTPUTS, times=times)
    if teacher is not None:
        theirs = teacher.outputs(generator, needs, TEACHER_OUTPUTS, times=times)
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
