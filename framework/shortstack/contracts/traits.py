"""Promises a component makes; the conformance kit (``shortstack.testing``) checks each of them."""

from typing import Any, Literal, get_args, get_origin

import attrs


def _checked(_cls: type, fields: "list[attrs.Attribute[Any]]") -> "list[attrs.Attribute[Any]]":
    """Each trait takes what its annotation says, for a promise with a slip in it would bind nobody."""
    return [field.evolve(validator=_validator(field.type)) for field in fields]


def _validator(kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return attrs.validators.in_(get_args(kind))
    return attrs.validators.instance_of(bool if kind is bool else (int, float, type(None)))


@attrs.frozen(kw_only=True, field_transformer=_checked)
class ScorerTraits:
    """What a scorer promises.

    Attributes:
        lower: No score is below this, exactly; None for no bound.
        upper: No score is above this, exactly; None for no bound.
        averages_over: What one term of the mean is; ``"nothing"`` for scores read off the weights, ``"batches"`` for
            scores that depend on how examples are batched (such scores cannot be compared between machines).
        accumulates: Whether twice the data gives the same scores (``"mean"``) or twice the scores (``"sum"``).
        needs_labels: Whether the labels change the scores.
        identity_is_zero: A layer that leaves its input as it is scores 0.
        function_only: Rescaling weights without changing the function leaves the scores.
        rank_valued: The scores are ranks, or fused from ranks.
        local: A layer that is moved to another place, where the same enters it and the same comes back, takes its score
            along; false where its depth or its neighbours count.
        objective_power: The log-probability times ``c > 0`` gives the scores times ``c`` to this power; None for no promise.
        weight_power: All weights times ``c > 0`` gives the scores times ``c`` to this power; None for no promise.
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
    """What a student architecture promises, with the default settings.

    Attributes:
        whole_layers: Every kept layer is the teacher's, unchanged: keeping all reproduces the teacher bit for bit,
            leaving out a layer that does nothing changes nothing, and shrinking twice is shrinking once.
    """

    whole_layers: bool = True


@attrs.frozen(kw_only=True, field_transformer=_checked)
class DatasetTraits:
    """What an adapter's format holds, with the default settings.

    Attributes:
        ratings: Each interaction has a rating.
        timestamps: Each interaction has a time.
        titles: Items have titles.
        categories: Items have categories.
        text_ids: Ids may be any text without control characters, blanks and quotes and separators included; otherwise
            only whole numbers are sure to be held.
    """

    ratings: bool = True
    timestamps: bool = True
    titles: bool = False
    categories: bool = False
    text_ids: bool = False


@attrs.frozen(kw_only=True, field_transformer=_checked)
class LossTraits:
    """What a loss promises.

    Attributes:
        distribution: A divergence between two distributions over the candidates: 0 when they are equal, never negative.
        additive: The loss of two batches together is the sum of their losses.
        forward_kl: It is ``T² Σ_v p_T log(p_T / q_T)`` of the teacher's ``p`` and the student's ``q``, both at the
            temperature ``T`` of the setting ``temperature`` (1 where there is no such setting).
        symmetric: Exchanging the two models leaves the value.
        upper: No term is above this; None for no bound.
        degree: What both models gave times ``c > 0`` gives the value times ``c`` to this power; None for no promise.
        paired: Each student layer is drawn to the teacher layer that it was made from: where the two have one width,
            a student whose layers give what those give has nothing to learn.
    """

    distribution: bool = False
    additive: bool = True
    forward_kl: bool = False
    symmetric: bool = False
    upper: float | None = None
    degree: float | None = None
    paired: bool = False
