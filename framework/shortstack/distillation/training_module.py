"""The student and the losses' own parameters as one module, for the optimiser."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.contracts import LossBatch, ModelOutputs, Output, Selection
from shortstack.distillation.model_outputs import OutputReader
from shortstack.distillation.weighted_losses import WeightedLoss, wanted
from shortstack.errors import PluginError
from shortstack.models.candidates import candidate_index, supervision
from shortstack.models.decoder import Decoder
from shortstack.models.thread_generator import thread_generator
from shortstack.registry.isolation import plugin_errors


class TrainingModule(nn.Module):
    """The student and its losses; calling it returns every loss's sum over one batch.

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
    ) -> None:
        """Register the student and the losses' modules.

        Args:
            student: The model that is trained.
            losses: The losses.
            parameters: Result of each loss's ``prepare``.
            candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
            embedding_dropout: Dropout rate of the student's input embeddings in training.
        """
        super().__init__()
        self._dropout = nn.Dropout(embedding_dropout)
        self.student = student
        self.losses = tuple(losses)
        self.loss_modules = nn.ModuleDict({str(i): m for i, m in enumerate(parameters) if m is not None})
        self._read = output_reader(student, candidates, wanted(losses), Output.STUDENT_LOGITS, Output.STUDENT_STATES)
        vocabulary = student.get_input_embeddings().num_embeddings
        self._places = None if candidates is None else candidate_index(candidates, vocabulary)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, teacher: ModelOutputs) -> Tensor:
        """Return every loss's sum over the batch.

        Args:
            input_ids: int64 ``(batch, tokens)``.
            attention_mask: ``(batch, tokens)``, 0 where the token is padding.
            labels: int64 ``(batch, tokens)`` in transformers' convention.
            teacher: The teacher's outputs for the same batch.

        Returns:
            ``(losses,)``, float32 or wider.
        """
        positions, _ = supervision(labels)
        student = self._read(input_ids, attention_mask, positions, self._dropping())
        batch = self.loss_batch(attention_mask, labels)
        return torch.stack(
            [_sum_of(weighted, student, teacher, batch, self._module(i)) for i, weighted in enumerate(self.losses)]
        )

    def _dropping(self) -> nn.Module | None:
        """Return the dropout after the student's input embeddings, in training only; it is not part of the student."""
        return self._dropout if self._dropout.p and self._dropout.training else None

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
    model: PreTrainedModel, candidates: Tensor | None, needs: frozenset[Output], logits: Output, states: Output
) -> OutputReader:
    """Return a reader of the outputs of a model that the losses need.

    Args:
        model: The student or the teacher.
        candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
        needs: Outputs that any loss needs.
        logits: The member of ``needs`` for this model's logits.
        states: The member of ``needs`` for this model's states.
    """
    layers = tuple(Decoder.of(model).layers) if states in needs else ()
    return OutputReader(model=model, layers=layers, candidates=candidates, logits=logits in needs)


def _sum_of(
    weighted: WeightedLoss, student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch, module: nn.Module | None
) -> Tensor:
    with plugin_errors(weighted.component):
        value = weighted.loss(student, teacher, batch, module)
        if not isinstance(value, Tensor) or value.shape != () or value.dtype not in {torch.float32, torch.float64}:
            raise PluginError(f"loss {weighted.name!r} gave {_kind_of(value)}; a loss is one sum in float32 or float64")
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
