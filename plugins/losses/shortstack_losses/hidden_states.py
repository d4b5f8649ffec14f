"""Hidden-state distillation: each student layer's output is matched to that of the teacher layer it was made from."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import attrs
from attrs import validators

from shortstack.contracts import LossBatch, LossDescriptor, LossTraits, ModelOutputs, Output, Selection
from shortstack.errors import ConfigurationError
from shortstack_losses.projections import projection

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


@attrs.frozen(kw_only=True)
class HiddenStateSettings:
    """The settings of ``hidden-states``.

    ``distance = "cosine"``, ``norm = 0.1``, ``blocks = 4`` and ``tokens = "last"`` is the recipe of SLMRec (arXiv
    2405.17890) but for its classifiers on inner layers; it adds up the blocks, so the weight 4 is its weight 1.

    Attributes:
        distance: ``"cosine"`` (``1 − cos``, independent of the norm) or ``"mse"`` (squared error divided by the
            teacher's variance, both within a token, so that it does not depend on scale).
        norm: Weight of ``‖s − t‖``, the norm of the difference, which is added to the distance; 0 for none.
        blocks: Compare only the last layers of this many blocks, into which either model is cut; None compares each
            student layer with the teacher layer that it was made from.
        tokens: ``"all"`` tokens, or the ``"last"`` of each example.
    """

    distance: Literal["cosine", "mse"] = attrs.field(default="cosine", validator=validators.in_(["cosine", "mse"]))
    norm: float = attrs.field(default=0.0, validator=(validators.ge(0.0), validators.lt(float("inf"))))
    blocks: int | None = attrs.field(default=None, validator=validators.optional(validators.ge(1)))
    tokens: Literal["all", "last"] = attrs.field(default="all", validator=validators.in_(["all", "last"]))


def hidden_states(settings: HiddenStateSettings) -> "HiddenStates":
    """Return the loss that the settings describe."""
    distance = _DISTANCES[settings.distance]
    return HiddenStates(
        distance=with_norm(distance, settings.norm) if settings.norm else distance,
        blocks=settings.blocks,
        tokens=last_tokens if settings.tokens == "last" else _all_tokens,
    )


def hidden_state_traits(settings: HiddenStateSettings) -> LossTraits:
    """Return the promises: a norm grows with the states, and blocks pair layers by depth."""
    return LossTraits(degree=None if settings.norm else 0, paired=settings.blocks is None)


DESCRIPTOR = LossDescriptor(
    name="hidden-states",
    summary="Distance between each student layer's output and that of the teacher layer it was made from.",
    build=hidden_states,
    config=HiddenStateSettings,
    reference="Romero et al. 2015, arXiv 1412.6550, equation 3; Sun et al. 2019, arXiv 1908.09355, equation 7; "
    "norm and blocks: Xu et al. 2025, arXiv 2405.17890, as its code has them",
    traits=hidden_state_traits(HiddenStateSettings()),
    traits_of=hidden_state_traits,
)


def _all_tokens(mask: "Tensor") -> "Tensor":
    return mask


def last_tokens(mask: "Tensor") -> "Tensor":
    """Return a mask of the last unmasked token of each row; rows of padding alone have none.

    >>> import torch
    >>> last_tokens(torch.tensor([[True, True, False], [False, True, True]])).int().tolist()
    [[0, 1, 0], [0, 0, 1]]
    """
    following = mask.flip(-1).cumsum(-1).flip(-1)
    return mask & (following == 1)


@attrs.frozen(kw_only=True, eq=False)
class HiddenStates:
    """``Σ_t (1/L) Σ_j d(P_j s_j,t , h_i(j),t)`` over the chosen tokens ``t``.

    ``s_j`` is the output of student layer ``j`` of the ``L`` that are compared, ``h_i`` that of teacher layer ``i``;
    ``P_j`` is a learned projection to the teacher's width where the widths differ, and the identity otherwise.

    Attributes:
        distance: ``d``: two tensors ``(tokens, teacher_hidden)`` to ``(tokens,)``.
        blocks: Number of blocks whose last layers are compared; None for every student layer, with the teacher layer
            that it was made from.
        tokens: The mask ``(batch, tokens)`` to that of the chosen tokens.
    """

    distance: "Callable[[Tensor, Tensor], Tensor]"
    blocks: int | None = None
    tokens: "Callable[[Tensor], Tensor]" = _all_tokens
    needs = frozenset({Output.STUDENT_STATES, Output.TEACHER_STATES})

    def prepare(
        self, teacher: "PreTrainedConfig | None", student: "PreTrainedConfig", selection: Selection | None
    ) -> "nn.ModuleDict":
        """Return a projection (or identity) for each student layer that is compared, keyed by its teacher layer.

        Raises:
            ConfigurationError: There is no teacher, there is no selection that fits the two models, or there are more
                blocks than layers.
        """
        from torch import nn

        if self.blocks is None:
            origins = _kept_layers(teacher, student, selection)
        else:
            origins = _last_of_blocks(teacher, student, self.blocks)
        return nn.ModuleDict({str(i): projection(student, teacher) for i in origins})

    def count(self, batch: LossBatch) -> "Tensor":
        """Return the number of chosen tokens."""
        return self.tokens(batch.mask).sum()

    def __call__(
        self, student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch, module: "nn.Module | None"
    ) -> "Tensor":
        """Return the sum over the tokens of the mean over the layers."""
        from torch import nn

        if student.states is None or teacher.states is None or not isinstance(module, nn.ModuleDict):
            raise TypeError("hidden-states needs the states of both models and the module that prepare() made")
        return state_distance_sum(student.states, teacher.states, self.tokens(batch.mask), module, self.distance)


def _kept_layers(
    teacher: "PreTrainedConfig | None", student: "PreTrainedConfig", selection: Selection | None
) -> tuple[int, ...]:
    """Return the teacher layer that each student layer was made from.

    Raises:
        ConfigurationError: There is no teacher or no selection, or it does not fit the two models.
    """
    if teacher is None or selection is None:
        raise ConfigurationError(
            "the loss 'hidden-states' pairs each student layer with a teacher layer, so it needs a teacher and the "
            "selection of layers that the student was made from; give both, or set its setting 'blocks', by which layers of "
            "any two models are paired"
        )
    ours, theirs = _depth(student), _depth(teacher)
    if (ours, theirs) != (len(selection.kept), selection.of):
        raise ConfigurationError(
            f"the selection keeps {len(selection.kept)} of {selection.of} layers, but the student has "
            f"{ours} and the teacher {theirs}; give the selection that made this student from this teacher, or set the "
            "setting 'blocks' of the loss 'hidden-states', by which layers of any two models are paired"
        )
    return selection.kept


def _last_of_blocks(teacher: "PreTrainedConfig | None", student: "PreTrainedConfig", blocks: int) -> tuple[int, ...]:
    """Return the teacher's layer at the end of each block.

    Raises:
        ConfigurationError: There is no teacher, or one of the models has fewer layers than blocks.
    """
    if teacher is None:
        raise ConfigurationError(
            "the loss 'hidden-states' compares blocks of the student's layers with a teacher's, so it needs a teacher"
        )
    ours, theirs = _depth(student), _depth(teacher)
    if blocks > min(ours, theirs):
        raise ConfigurationError(
            f"the loss 'hidden-states' cannot cut {ours} layers of the student and {theirs} of the teacher into "
            f"{blocks} blocks; lower its setting 'blocks'"
        )
    return ends_of_blocks(theirs, blocks)


def _depth(config: "PreTrainedConfig") -> int:
    depth: int = config.get_text_config().num_hidden_layers
    return depth


def ends_of_blocks(layers: int, blocks: int) -> tuple[int, ...]:
    """Return the last layer of each of so many blocks of nearly equal size, at most as many as there are layers.

    >>> ends_of_blocks(8, 4), ends_of_blocks(5, 2), ends_of_blocks(3, 3)
    ((1, 3, 5, 7), (2, 4), (0, 1, 2))
    """
    return tuple(-(-block * layers // blocks) - 1 for block in range(1, blocks + 1))


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
        projections: One module for each student layer that is compared, in order, keyed by its teacher layer; if there
            are fewer than layers, the last layers of as many blocks are compared.
        distance: Maps two tensors ``(tokens, teacher_hidden)`` to ``(tokens,)``.
    """
    import torch

    total = torch.zeros((), device=mask.device)
    layers = ends_of_blocks(len(student), len(projections))
    for layer, (origin, project) in zip(layers, projections.items(), strict=True):
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


def with_norm(distance: "Callable[[Tensor, Tensor], Tensor]", weight: float) -> "Callable[[Tensor, Tensor], Tensor]":
    """Return ``d(s, t) + weight · ‖s − t‖``; the gradient of the norm is 0 where the states are equal.

    Unlike the distances the norm grows with the states and, by its root, with their width.
    """

    def summed(student: "Tensor", teacher: "Tensor") -> "Tensor":
        import torch

        norm: Tensor = torch.linalg.vector_norm(student - teacher, dim=-1)
        return distance(student, teacher) + weight * norm

    return summed


_DISTANCES: Mapping[str, "Callable[[Tensor, Tensor], Tensor]"] = {
    "cosine": cosine_distance,
    "mse": relative_squared_error,
}
