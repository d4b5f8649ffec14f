"""The student and the losses' own parameters as one module, for the optimiser."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.contracts import LossBatch, ModelOutputs, Output, Selection
from shortstack.distillation.chunks import ChunkedSums
from shortstack.distillation.compiled_layers import CompiledLayers
from shortstack.distillation.liger_kernels import liger_kernels
from shortstack.distillation.model_outputs import (
    STUDENT_OUTPUTS,
    TEACHER_OUTPUTS,
    FinalStates,
    OutputReader,
    OutputsOf,
    PassOutputs,
)
from shortstack.distillation.parts import EmbeddingDropout, Part
from shortstack.distillation.sampling import drawn_candidates, sampled_columns
from shortstack.distillation.weighted_losses import WeightedLoss, wanted
from shortstack.errors import PluginError
from shortstack.models.attention_inputs import require_interface
from shortstack.models.candidates import candidate_index, supervision
from shortstack.models.decoder import Decoder
from shortstack.models.thread_generator import thread_generator
from shortstack.registry.isolation import plugin_errors


class TrainingModule(nn.Module):
    """The student and its losses; calling it returns their total over one batch.

    One module, so that data-parallel wrappers, gradient clipping and mixed precision reach the losses' parameters as
    well; only ``student`` is ever exported.
    """

    # transformers.Trainer reads it: the loss is divided already, by the count over the whole accumulation window
    accepts_loss_kwargs = True

    def __init__(
        self,
        student: PreTrainedModel,
        losses: Sequence[WeightedLoss],
        parameters: Sequence[nn.Module | None],
        candidates: Tensor | None,
        embedding_dropout: float = 0.0,
        *,
        part: Part | None = None,
        compiled: CompiledLayers | None = None,
        liger: bool = False,
    ) -> None:
        """Register the student and the losses' modules.

        Args:
            student: The model that is trained.
            losses: The losses.
            parameters: Result of each loss's ``prepare``.
            candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
            embedding_dropout: Dropout rate of the student's input embeddings in training.
            part: This process's part of batches that several share; None if it has all of each.
            compiled: Compiled forward passes of the student's layers; None to run them as they are.
            liger: Run the student on Liger's kernels.
        """
        super().__init__()
        self._dropout = EmbeddingDropout(embedding_dropout, part)
        self._in_chunks = [index for index, loss in enumerate(losses) if loss.additive and not loss.needs_states]
        self.student = student
        self.losses = tuple(losses)
        self.loss_modules = nn.ModuleDict({str(i): m for i, m in enumerate(parameters) if m is not None})
        vocabulary = student.get_input_embeddings().num_embeddings
        self._places = None if candidates is None else candidate_index(candidates, vocabulary)
        self._candidates = vocabulary if candidates is None else len(candidates)
        self.draw(seed=0, step=0)
        # accelerate shards each module of these classes by itself, and what is left together
        self._no_split_modules = sorted({type(layer).__name__ for layer in Decoder.of(student).layers})
        self._read = output_reader(student, candidates, wanted(losses), STUDENT_OUTPUTS, compiled, liger=liger)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        teacher: PassOutputs,
        scales: Tensor,
        *,
        rows: int | None = None,
        apart: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the total ``Σ_k scale_k · sum_k``, and each loss's sum over the batch.

        Args:
            input_ids: int64 ``(batch, tokens)``.
            attention_mask: ``(batch, tokens)``, 0 where the token is padding.
            labels: int64 ``(batch, tokens)`` in transformers' convention.
            teacher: The teacher's outputs for the same batch.
            scales: float64 ``(losses,)``: factors of the sums.
            rows: Number of examples of the whole batch of which this is a part; None if it is whole.
            apart: Compute every loss from all positions at once, so that each has a backward pass of its own.

        Returns:
            The total, a scalar with a gradient, and a scalar for each loss; these have gradients, too, if ``apart``.
        """
        positions, _ = supervision(labels)
        student = self._read(input_ids, attention_mask, positions, self._dropping(rows))
        batch = self.loss_batch(attention_mask, labels)
        totals, sums = list[Tensor](), dict[int, Tensor]()
        for number, losses in self._by_sample().items():
            ours, seen = (student, batch) if number is None else self._sampled(student, batch, self._drawn[number])
            chunked = [index for index in losses if index in self._in_chunks and ours.final is not None and not apart]
            if ours.final is not None and chunked:
                total, parts = self._chunked(chunked, ours.final, teacher, seen, scales).of(ours.final.rows)
                totals.append(total)
                sums |= zip(chunked, parts, strict=True)
            whole = [index for index in losses if index not in chunked]
            values = self._whole(whole, ours, teacher, seen)
            # not stacked: the backward pass of one loss would send zero gradients through the others, and 0 · ∞ is NaN
            totals += [value * scales[index] for index, value in zip(whole, values, strict=True)]
            sums |= zip(whole, values, strict=True)
        return sum(totals, torch.zeros_like(scales[0])), tuple(sums[index] for index in range(len(self.losses)))

    def draw(self, *, seed: int, step: int) -> None:
        """Draw the candidates of one optimiser step, for losses of sampled candidates.

        Args:
            seed: Seed of the training.
            step: Number of the optimiser step.
        """
        numbers = {loss.sampled for loss in self.losses if loss.sampled is not None}
        self._drawn = {n: drawn_candidates(self._candidates, n, seed=seed, step=step) for n in numbers}

    def _by_sample(self) -> dict[int | None, list[int]]:
        """Return the losses by the number of their sampled candidates; None for those of all candidates."""
        groups = dict[int | None, list[int]]()
        for index, loss in enumerate(self.losses):
            groups.setdefault(loss.sampled, []).append(index)
        return groups

    def _sampled(self, student: PassOutputs, batch: LossBatch, drawn: Tensor) -> tuple[PassOutputs, LossBatch]:
        """Return the outputs and the batch for the labels and the drawn candidates alone."""
        some = sampled_columns(batch.labels, drawn.to(batch.labels.device), self._candidates)
        return student.narrowed(some.columns), attrs.evolve(batch, labels=some.labels, log_shares=some.log_shares)

    def _whole(
        self, losses: Sequence[int], student: PassOutputs, teacher: PassOutputs, batch: LossBatch
    ) -> list[Tensor]:
        """Return the sums of some losses over all positions at once."""
        needs = wanted([self.losses[index] for index in losses])
        return self._sums(losses, student.whole(STUDENT_OUTPUTS, needs), teacher.whole(TEACHER_OUTPUTS, needs), batch)

    def _chunked(
        self, losses: Sequence[int], student: FinalStates, teacher: PassOutputs, batch: LossBatch, scales: Tensor
    ) -> ChunkedSums:
        """Return the sums of some losses as functions of the student's final states at some positions."""

        def sums(ours: Tensor, theirs: Tensor | None, part: slice) -> Tensor:
            labels = batch.labels[part]
            mask = torch.ones_like(labels, dtype=torch.bool)[:, None]
            alone = LossBatch(labels=labels, mask=mask, log_shares=batch.log_shares)
            return torch.stack(self._sums(losses, ModelOutputs(logits=ours), ModelOutputs(logits=theirs), alone))

        trained = [
            pair for pair in zip(student.head.weights, student.head.sources, strict=True) if pair[0].requires_grad
        ]
        own = [parameter for index in losses if (module := self._module(index)) for parameter in module.parameters()]
        needed = Output.TEACHER_LOGITS in wanted([self.losses[index] for index in losses])
        return ChunkedSums(
            head=student.head,
            teacher=teacher.logits_of if needed else lambda _part: None,
            sums=sums,
            scales=scales[losses],
            weights=[weight for weight, _ in trained],
            sources=[source for _, source in trained],
            parameters=[parameter for parameter in own if parameter.requires_grad],
            candidates=student.head.candidates,
        )

    def _sums(
        self, losses: Sequence[int], student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch
    ) -> list[Tensor]:
        return [_sum_of(self.losses[i], student, teacher, batch, self._module(i)) for i in losses]

    def _dropping(self, rows: int | None = None) -> Callable[[Tensor], Tensor] | None:
        """Return the dropout after the student's input embeddings, in training only; it is not part of the student."""
        return partial(self._dropout, rows=rows) if self._dropout.p and self._dropout.training else None

    def count(self, attention_mask: Tensor, labels: Tensor) -> Tensor:
        """Return each loss's number of terms, then that of labels that are no candidates, int64 ``(losses + 1,)``."""
        batch = self.loss_batch(attention_mask, labels)
        strays = (self._targets(labels) < 0).sum()
        return torch.stack([*(_count_of(weighted, batch) for weighted in self.losses), strays])

    def loss_batch(self, attention_mask: Tensor, labels: Tensor) -> LossBatch:
        """Return a batch as losses see it; labels that are not candidates become 0, and the trainer reports them."""
        return LossBatch(labels=self._targets(labels).clamp_min(0), mask=attention_mask.bool())

    def activation_checkpointing_enable(
        self,
        activation_checkpointing_kwargs: dict[str, Any] | None = None,
        every_n_layers: int = 1,
        *,
        offload: bool = False,
    ) -> None:
        """Enable it in the student; this is its name in newer versions of transformers."""
        self.student.activation_checkpointing_enable(activation_checkpointing_kwargs, every_n_layers, offload)

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: dict[str, Any] | None = None) -> None:
        """Enable it in the student; this is its name in older versions of transformers."""
        self.student.gradient_checkpointing_enable(gradient_checkpointing_kwargs)

    def _targets(self, labels: Tensor) -> Tensor:
        _, targets = supervision(labels)
        return targets if self._places is None else self._places[targets]

    def _module(self, index: int) -> nn.Module | None:
        key = str(index)  # a ModuleDict has no get()
        return self.loss_modules[key] if key in self.loss_modules else None  # noqa: SIM401


def prepare(
    losses: Sequence[WeightedLoss],
    teacher: PreTrainedModel | None,
    student: PreTrainedModel,
    selection: Selection | None,
    seed: int,
) -> list[nn.Module | None]:
    """Return each loss's own parameters, in the student's dtype; the global random state is not changed."""
    with thread_generator(seed):
        return [_prepared(loss, teacher, student, selection) for loss in losses]


def _prepared(
    weighted: WeightedLoss, teacher: PreTrainedModel | None, student: PreTrainedModel, selection: Selection | None
) -> nn.Module | None:
    with plugin_errors(weighted.component):
        module = weighted.loss.prepare(teacher and teacher.config, student.config, selection)
        if module is not None and not isinstance(module, nn.Module):
            raise PluginError(f"loss {weighted.name!r} prepared {module!r:.80}; prepare gives a torch module or None")
        return module and module.to(student.dtype)


def output_reader(
    model: PreTrainedModel,
    candidates: Tensor | None,
    needs: frozenset[Output],
    outputs: OutputsOf,
    compiled: CompiledLayers | None = None,
    *,
    liger: bool = False,
) -> OutputReader:
    """Return a reader of the outputs of a model that the losses need.

    Args:
        model: The student or the teacher.
        candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
        needs: Outputs that any loss needs.
        outputs: The outputs of this model, among ``needs``.
        compiled: Compiled forward passes of the model's layers; None to run them as they are.
        liger: Run the model on Liger's kernels.

    Raises:
        UnsupportedModelError: Attention is needed, and the model has none that can be read; or Liger's kernels are not for it.
    """
    states, attention = outputs.states in needs, outputs.attention in needs
    if attention:
        require_interface(model)
    return OutputReader(
        model=model,
        layers=tuple(Decoder.of(model).layers) if states or attention or compiled else (),
        candidates=candidates,
        logits=outputs.logits in needs,
        states=states,
        attention=attention,
        compiled=compiled,
        kernels=liger_kernels(model, learns=outputs is STUDENT_OUTPUTS) if liger else None,
    )


def _sum_of(
    weighted: WeightedLoss, student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch, module: nn.Module | None
) -> Tensor:
    with plugin_errors(weighted.component):
        value = weighted.loss(student, teacher, batch, module)
        if not isinstance(value, Tensor) or value.shape != () or value.dtype not in {torch.float32, torch.float64}:
            raise PluginError(f"loss {weighted.name!r} gave {_kind_of(value)}; a loss is one sum in float32 or float64")
        # a loss without terms in this batch may be a plain zero
        if torch.is_grad_enabled() and not value.requires_grad and int(weighted.loss.count(batch)):
            raise PluginError(
                f"loss {weighted.name!r} does not depend on the student, so nothing can be learnt from it; "
                "do not detach it"
            )
        return value


def _count_of(weighted: WeightedLoss, batch: LossBatch) -> Tensor:
    with plugin_errors(weighted.component):
        count = weighted.loss.count(batch)
        if not isinstance(count, Tensor) or count.shape != () or count.dtype != torch.int64:
            raise PluginError(
                f"loss {weighted.name!r} counted {_kind_of(count)}; a count is the number of terms, one int64"
            )
        return count


def _kind_of(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and type {value.dtype}"
    return f"{value!r:.80}"
