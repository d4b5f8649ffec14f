"""Traits: properties that a component promises and the conformance kit (``shortstack.testing``) checks."""

from typing import Any, Literal, get_args, get_origin

import attrs


def _checked(_cls: type, fields: "list[attrs.Attribute[Any]]") -> "list[attrs.Attribute[Any]]":
    """Make each trait check its type: a mistyped promise would silently bind no law."""
    return [field.evolve(validator=_validator(field.type)) for field in fields]


def _validator(kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return attrs.validators.in_(get_args(kind))
    return attrs.validators.instance_of(bool if kind is bool else (int, float, type(None)))


@attrs.frozen(kw_only=True, field_transformer=_checked)
class ScorerTraits:
    """Promises of a scorer.

    Attributes:
        lower: No score is below this, exactly; None for no bound.
        upper: No score is above this, exactly; None for no bound.
        averages_over: The unit of the mean's terms; ``"nothing"`` for scores from weights alone, ``"batches"`` for
            scores that depend on how examples are batched (such scores cannot be compared between machines).
        accumulates: ``"mean"`` if repeating the data leaves the scores, ``"sum"`` if it doubles them.
        needs_labels: The labels change the scores.
        identity_is_zero: A layer that leaves its input as it is scores 0.
        function_only: Rescaling weights without changing the function leaves the scores.
        rank_valued: The scores are ranks, or fused from ranks.
        local: A layer that is moved to another place, where the same enters it and the same comes back, takes its score
            along; false where its depth or its neighbours count.
        objective_power: The objective times ``c > 0`` gives the scores times ``c`` to this power; None: no promise.
        weight_power: All weights times ``c > 0`` give the scores times ``c`` to this power; None: no promise.
    """

    lower: float | None = None
    upper: float | None = None
    averages_over: Literal["examples", "tokens", "queries", "batches", "nothing"] = "examples"
    accumulates: Literal["mean", "sum"] = "mean"
    needs_labels: bool = True
    identity_is_zero: bool = False
    function_only: bool = False
    rank_valued: bool = False
    local: bool = True
    objective_power: float | None = None
    weight_power: float | None = None


@attrs.frozen(kw_only=True, field_transformer=_checked)
class StudentTraits:
    """Promises of a student architecture, with the default settings.

    Attributes:
        whole_layers: Every kept layer is the teacher's, unchanged: keeping all reproduces the teacher bit for bit,
            leaving out a layer that does nothing changes nothing, and shrinking twice is shrinking once.
    """

    whole_layers: bool = True


@attrs.frozen(kw_only=True, field_transformer=_checked)
class DatasetTraits:
    """Contents that an adapter's format can hold, with the default settings.

    Attributes:
        ratings: Each interaction has a rating.
        timestamps: Each interaction has a time.
        titles: Items have titles.
        categories: Items have categories.
        text_ids: Ids may be any text without control characters, blanks and quotes and separators included; otherwise
            only whole numbers are guaranteed to fit.
    """

    ratings: bool = True
    timestamps: bool = True
    titles: bool = False
    categories: bool = False
    text_ids: bool = False


@attrs.frozen(kw_only=True, field_transformer=_checked)
class LossTraits:
    """Promises of a loss.

    Attributes:
        distribution: A divergence between two distributions over the candidates: 0 when they are equal, never negative.
        additive: The loss of two batches together is the sum of their losses; a loss that needs no states is also the
            sum over chunks of its positions, wherever they are cut.
        forward_kl: It is ``T² Σ_v p_T log(p_T / q_T)`` of the teacher's ``p`` and the student's ``q``, both at the
            temperature ``T`` of the setting ``temperature`` (1 where there is no such setting).
        symmetric: Exchanging the two models leaves the value.
        upper: No term is above this; None for no bound.
        degree: All outputs times ``c > 0`` give the value times ``c`` to this power; None: no promise.
        paired: Each student layer is trained towards the teacher layer that it was made from: at equal widths, a
            student whose layers give the same states has a loss and a gradient of 0.
        sampled: Number of candidates drawn at each step, whose logits it gets beside those of the batch's labels, with
            ``LossBatch.log_shares``; None for all candidates. For losses on the student's logits alone.
    """

    distribution: bool = False
    additive: bool = True
    forward_kl: bool = False
    symmetric: bool = False
    upper: float | None = None
    degree: float | None = None
    paired: bool = False
    sampled: int | None = None
