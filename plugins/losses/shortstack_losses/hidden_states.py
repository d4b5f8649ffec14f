"""Hidden-state distillation: each student layer's output is matched to that of the teacher layer it was made from."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import attrs
from attrs import validators

from shortstack.contracts import LossBatch, LossDescriptor, LossTraits, ModelOutputs, Output, Selection
from shortstack.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


@attrs.frozen(kw_only=True)
class HiddenStateSettings:
    """The settings of ``hidden-states``.

    Attributes:
        distance: ``"cosine"`` (``1 − cos``, independent of the norm) or ``"mse"`` (squared error divided by the
            teacher's variance, both within a token, so that it does not depend on scale).
    """

    distance: Literal["cosine", "mse"] = attrs.field(default="cosine", validator=validators.in_(["cosine", "mse"]))


DESCRIPTOR = LossDescriptor(
    name="hidden-states",
    summary="Distance between each student layer's output and that of the teacher layer it was made from.",
    build=lambda settings: HiddenStates(_DISTANCES[settings.distance]),
    config=HiddenStateSettings,
    reference="Romero et al. 2015, arXiv 1412.6550, equation 3; Sun et al. 2019, arXiv 1908.09355, equation 7",
    traits=LossTraits(degree=0, paired=True),
)


@attrs.frozen(eq=False)
class HiddenStates:
    """``Σ_t (1/L) Σ_j d(P_j s_j,t , h_kept[j],t)`` over the unmasked tokens ``t``.

    ``s_j`` is the output of student layer ``j`` of ``L``, ``h_i`` that of teacher layer ``i``; ``P_j`` is a learned
    projection to the teacher's width where the widths differ, and the identity otherwise.
    """

    distance: "Callable[[Tensor, Tensor], Tensor]"
    needs = frozenset({Output.STUDENT_STATES, Output.TEACHER_STATES})

    def prepare(
        self, teacher: "PreTrainedConfig | None", student: "PreTrainedConfig", selection: Selection | None
    ) -> "nn.ModuleDict":
        """Return a projection (or identity) for each student layer, keyed by its teacher layer.

        Raises:
            ConfigurationError: There is no teacher or no selection, or it does not fit the two models.
        """
        from torch import nn

        if teacher is None or selection is None:
            raise ConfigurationError(
                "the loss 'hidden-states' pairs each student layer with a teacher layer, so it needs a teacher and the "
                "selection of layers that the student was made from"
            )
        ours, theirs = student.get_text_config(), teacher.get_text_config()
        if (ours.num_hidden_layers, theirs.num_hidden_layers) != (len(selection.kept), selection.of):
            raise ConfigurationError(
                f"the selection keeps {len(selection.kept)} of {selection.of} layers, but the student has "
                f"{ours.num_hidden_layers} and the teacher {theirs.num_hidden_layers}; give the selection that made "
                "this student from this teacher"
            )
        narrow, wide = ours.hidden_size, theirs.hidden_size
        return nn.ModuleDict(
            {str(i): nn.Identity() if narrow == wide else nn.Linear(narrow, wide, bias=False) for i in selection.kept}
        )

    def count(self, batch: LossBatch) -> "Tensor":
        """Return the number of unmasked tokens."""
        return batch.mask.sum()

    def __call__(
        self, student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch, module: "nn.Module | None"
    ) -> "Tensor":
        """Return the sum over the tokens of the mean over the layers."""
        from torch import nn

        if student.states is None or teacher.states is None or not isinstance(module, nn.ModuleDict):
            raise TypeError("hidden-states needs the states of both models and the module that prepare() made")
        return state_distance_sum(student.states, teacher.states, batch.mask, module, self.distance)


def state_distance_sum(
    student: "Mapping[int, Tensor]",
    teacher: "Mapping[int, Tensor]",
    mask: "Tensor",
    projections: "nn.ModuleDict",
    distance: "Callable[[Tensor, Tensor], Tensor]",
) -> "Tensor":
    """Return the distances of paired layers, averaged over layers and summed over tokens, in float32 or wider.

    Args:
        student: Layer → ``(batch, tokens, student_hidden)``.
        teacher: Layer → ``(batch, tokens, teacher_hidden)``.
        mask: Bool ``(batch, tokens)``.
        projections: One module for each student layer, in order, keyed by its teacher layer.
        distance: Maps two tensors ``(tokens, teacher_hidden)`` to ``(tokens,)``.
    """
    import torch

    total = torch.zeros((), device=mask.device)
    for layer, (origin, project) in enumerate(projections.items()):
        ours, theirs = project(student[layer][mask]), teacher[int(origin)].detach()[mask]
        dtype = torch.promote_types(ours.dtype, torch.float32)
        total = total + distance(ours.to(dtype), theirs.to(dtype)).sum()
    return total / len(projections)


def cosine_distance(student: "Tensor", teacher: "Tensor") -> "Tensor":
    """Return ``1 − cos``, in [0, 2]. Shapes ``(tokens, hidden)`` to ``(tokens,)``."""
    from torch.nn import functional as F

    return (1.0 - F.cosine_similarity(student, teacher, dim=-1)).clamp(0.0, 2.0)


def relative_squared_error(student: "Tensor", teacher: "Tensor") -> "Tensor":
    """Return ``Σ(s − t)² / Σ(t − t̄)²`` over a token's channels. Shapes ``(tokens, hidden)`` to ``(tokens,)``.

    >>> import torch
    >>> relative_squared_error(torch.tensor([[0.0, 4.0]]), torch.tensor([[1.0, 3.0]])).tolist()
    [1.0]
    """
    import torch

    # a token whose channels are all equal has no variance to divide by
    spread = (teacher - teacher.mean(-1, keepdim=True)).square().sum(-1)
    return (student - teacher).square().sum(-1) / spread.clamp_min(torch.finfo(spread.dtype).tiny)


_DISTANCES: Mapping[str, "Callable[[Tensor, Tensor], Tensor]"] = {
    "cosine": cosine_distance,
    "mse": relative_squared_error,
}
