"""Attention relations: how alike a layer's queries, keys and values are to one another, learnt from a teacher layer."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

import attrs
from attrs import validators

from shortstack.contracts import (
    AttentionInputs,
    LossBatch,
    LossDescriptor,
    LossTraits,
    ModelOutputs,
    Output,
    Selection,
)
from shortstack.errors import ConfigurationError, UnsupportedModelError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

    from shortstack_losses.layer_pairs import LayerPairs

    Sides = tuple[Tensor, Tensor]

Relation = Literal["queries", "keys", "values", "queries-keys"]
"""What is related to what: queries to queries and so on; ``queries-keys`` is queries to keys."""

_RELATIONS: Final = ("queries", "keys", "values", "queries-keys")


@attrs.frozen(kw_only=True)
class AttentionRelationSettings:
    """The settings of ``attention-relations``.

    Attributes:
        relations: One or more of ``"queries"``, ``"keys"``, ``"values"`` (MiniLMv2) and ``"queries-keys"``, which is
            the attention of MiniLM where ``heads`` is the number of heads of both models.
        layers: ``"last"``: the student's last layer learns from one teacher layer; ``"kept"``: each student layer learns
            from the teacher layer that it was made from.
        teacher_layer: The teacher layer that the student's last one learns from, from 0; None for the teacher's last.
        heads: Relation heads, into which all heads of a layer together are split; they must divide the widths of
            queries, keys and values in both models. None for the most that leave each head whole.
    """

    relations: tuple[Relation, ...] = attrs.field(
        default=("queries", "keys", "values"),
        validator=[validators.min_len(1), validators.deep_iterable(validators.in_(_RELATIONS))],
    )
    layers: Literal["last", "kept"] = attrs.field(default="last", validator=validators.in_(["last", "kept"]))
    teacher_layer: int | None = attrs.field(default=None, validator=validators.optional(validators.ge(0)))
    heads: int | None = attrs.field(default=None, validator=validators.optional(validators.ge(1)))

    @relations.validator
    def _each_once(self, _attribute: object, relations: tuple[str, ...]) -> None:
        for name in relations:
            if relations.count(name) > 1:
                raise ConfigurationError(f"attention-relations has the relation {name!r} twice; name each once")

    @teacher_layer.validator
    def _of_the_last(self, _attribute: object, teacher_layer: int | None) -> None:
        if teacher_layer is not None and self.layers == "kept":
            raise ConfigurationError(
                f"attention-relations has teacher_layer = {teacher_layer}, which with layers = 'kept' has no meaning; "
                "leave one of them out"
            )


DESCRIPTOR = LossDescriptor(
    name="attention-relations",
    summary="KL between the two models' self-attention relations; widths and numbers of heads may differ.",
    build=lambda settings: AttentionRelations(settings=settings),
    config=AttentionRelationSettings,
    reference="Wang et al. 2021, MiniLMv2, arXiv 2012.15828, section 3.1",
    traits=LossTraits(),
)


@attrs.frozen(kw_only=True, eq=False)
class AttentionRelations:
    """``Σ_t (1/L) Σ_pairs Σ_relations (1/R) Σ_r KL(p_r,t ‖ q_r,t)`` over the unmasked tokens ``t``.

    ``p_r,t = softmax_u(a_r,t · b_r,u / √d_r)`` over the unmasked tokens ``u ≤ t``, of the teacher, and ``q_r,t`` the same
    of the student; ``a`` and ``b`` are queries, keys or values, after rotary positions, all heads side by side and then
    split into ``R`` relation heads of width ``d_r``. ``L`` is the number of paired layers.

    A causal model's token attends to no later one, so it has no relation to it; windows, sinks, soft caps and biases of
    the attention have no part. Under grouped queries each key head counts once, but in ``queries-keys``, where it is
    repeated for its queries, as in the model.
    """

    settings: AttentionRelationSettings
    needs = frozenset({Output.STUDENT_ATTENTION, Output.TEACHER_ATTENTION})

    def prepare(
        self, teacher: "PreTrainedConfig | None", student: "PreTrainedConfig", selection: Selection | None
    ) -> "LayerPairs":
        """Return the pairs of layers; there is nothing to train.

        Raises:
            ConfigurationError: There is no teacher, it lacks the layer, or the selection is missing or of other models.
        """
        from shortstack_losses.layer_pairs import LayerPairs

        if teacher is None:
            raise ConfigurationError(
                "the loss 'attention-relations' learns from a teacher's attention, so it needs a teacher; give one"
            )
        ours, theirs = (config.get_text_config().num_hidden_layers for config in (student, teacher))
        if self.settings.layers == "kept":
            return LayerPairs(_kept(ours, theirs, selection))
        return LayerPairs([(ours - 1, _teacher_layer(self.settings.teacher_layer, theirs))])

    def count(self, batch: LossBatch) -> "Tensor":
        """Return the number of unmasked tokens."""
        return batch.mask.sum()

    def __call__(
        self, student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch, module: "nn.Module | None"
    ) -> "Tensor":
        """Return the sum over the tokens of the mean over layers and heads.

        Raises:
            UnsupportedModelError: A paired layer has no attention.
            ConfigurationError: The relation heads do not divide a width.
        """
        import torch

        from shortstack_losses.layer_pairs import LayerPairs

        if student.attention is None or teacher.attention is None or not isinstance(module, LayerPairs):
            raise TypeError("attention-relations needs the attention of both models and the module that prepare() made")
        total = torch.zeros((), device=batch.mask.device)
        for ours, theirs in module.pairs:
            narrow, wide = _of(student.attention, ours, "student"), _of(teacher.attention, theirs, "teacher")
            heads = self.settings.heads or whole_heads(narrow, wide)
            for relation in self.settings.relations:
                q, p = (relation_heads(_SIDES[relation](inputs), heads, relation) for inputs in (narrow, wide))
                total = total + relation_kl_sum(q, p, batch.mask) / heads
        return total / len(module.pairs)


def _kept(ours: int, theirs: int, selection: Selection | None) -> list[tuple[int, int]]:
    if selection is None:
        raise ConfigurationError(
            "the loss 'attention-relations' with layers = 'kept' needs the selection of layers that the student was made "
            "from; give it, or set layers = 'last'"
        )
    if (ours, theirs) != (len(selection.kept), selection.of):
        raise ConfigurationError(
            f"the selection keeps {len(selection.kept)} of {selection.of} layers, but the student has {ours} and the "
            f"teacher {theirs}; give the selection that made this student from this teacher, or set layers = 'last' of the "
            "loss 'attention-relations'"
        )
    return list(enumerate(selection.kept))


def _teacher_layer(layer: int | None, layers: int) -> int:
    if layer is not None and layer >= layers:
        raise ConfigurationError(
            f"attention-relations has teacher_layer = {layer}, but the teacher's {layers} layers are counted from 0; "
            f"choose one up to {layers - 1}"
        )
    return layers - 1 if layer is None else layer


def _of(attention: Mapping[int, AttentionInputs], layer: int, whose: str) -> AttentionInputs:
    if layer not in attention:
        raise UnsupportedModelError(
            f"layer {layer} of the {whose} has no attention, only {', '.join(map(str, attention)) or 'none'} have; "
            "choose teacher_layer among those, or use the loss 'hidden-states'"
        )
    return attention[layer]


def whole_heads(student: AttentionInputs, teacher: AttentionInputs) -> int:
    """Return the most relation heads that each hold whole heads of queries and of keys, in both models."""
    return math.gcd(*(side.shape[1] for inputs in (student, teacher) for side in (inputs.queries, inputs.keys)))


def _repeated(inputs: AttentionInputs) -> "Tensor":
    """Return the keys, each as often as there are queries that attend to it."""
    return inputs.keys.repeat_interleave(inputs.queries.shape[1] // inputs.keys.shape[1], dim=1)


_SIDES: Final[Mapping[str, Callable[[AttentionInputs], "Sides"]]] = {
    "queries": lambda inputs: (inputs.queries, inputs.queries),
    "keys": lambda inputs: (inputs.keys, inputs.keys),
    "values": lambda inputs: (inputs.values, inputs.values),
    "queries-keys": lambda inputs: (inputs.queries, _repeated(inputs)),
}


def relation_heads(sides: "Sides", heads: int, relation: str) -> "Sides":
    """Return two sides ``(batch, heads_of_the_layer, tokens, head_size)`` as ``(batch, heads, tokens, d_r)``.

    Raises:
        ConfigurationError: The relation heads do not divide the width of all heads together.
    """
    width = sides[0].shape[1] * sides[0].shape[3]
    if width % heads:
        raise ConfigurationError(
            f"attention-relations has heads = {heads}, but the heads of the {relation} of a layer are {width} wide "
            "together, which it does not divide; choose a divisor, or leave heads out"
        )
    first, second = (side.transpose(1, 2).flatten(2).unflatten(2, (heads, -1)).transpose(1, 2) for side in sides)
    return first, second


def relation_kl_sum(student: "Sides", teacher: "Sides", mask: "Tensor") -> "Tensor":
    """Return ``Σ_t Σ_r KL(p_r,t ‖ q_r,t)`` over the unmasked tokens, in float32 or wider.

    Args:
        student: ``a`` and ``b``, each ``(batch, heads, tokens, d_r)``.
        teacher: The same of another width; a constant.
        mask: Bool ``(batch, tokens)``, False at padding, which contributes nothing, even if it is not finite.
    """
    import torch

    dtype = torch.promote_types(student[0].dtype, torch.float32)
    related = related_tokens(mask)
    with torch.autocast(mask.device.type, enabled=False):  # which would multiply in half precision again
        log_q = _log_relations([side.to(dtype) for side in student], mask, related)
        log_p = _log_relations([side.detach().to(dtype) for side in teacher], mask, related)
        return (log_p.exp() * (log_p - log_q).masked_fill(~related, 0.0)).sum()


def related_tokens(mask: "Tensor") -> "Tensor":
    """Return bool ``(batch, 1, tokens, tokens)``: True from a token to itself and to the unmasked ones before it.

    Padding is related to itself alone, so that its distribution is the same in both models, and never empty.
    """
    import torch

    pairs = (mask[:, :, None] & mask[:, None, :]).tril()
    return (pairs | torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device))[:, None]


def _log_relations(sides: "Sequence[Tensor]", mask: "Tensor", related: "Tensor") -> "Tensor":
    """Return the logarithm of ``softmax(a bᵀ/√d_r)``, ``(batch, heads, tokens, tokens)``; −∞ where unrelated."""
    # 0 · NaN would be NaN in the products' gradient
    a, b = (side.masked_fill(~mask[:, None, :, None], 0.0) for side in sides)
    return (a @ b.mT / math.sqrt(a.shape[-1])).masked_fill(~related, -math.inf).log_softmax(-1)
