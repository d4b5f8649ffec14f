"""Ranking distillation: the student orders the candidates that the teacher ranks highest as the teacher does."""

from functools import partial
from typing import TYPE_CHECKING

import attrs
from attrs import validators

from shortstack.contracts import LossDescriptor
from shortstack_losses.logit_loss import LogitLoss

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHT = (validators.ge(0.0), validators.lt(float("inf")))


@attrs.frozen(kw_only=True)
class RankingSettings:
    """The settings of ``ranking``; the defaults are those of DLLM2Rec.

    Attributes:
        k: Number of the teacher's best candidates that are ranked.
        position: Weight of the rank itself: the higher, the more important.
        confidence: Weight of the teacher's probability of the candidate.
        consistency: Weight of agreement: whether the candidate is among the student's best ``k`` too.
        decay: Ranks over which the weight of the rank falls to ``1/e``.
    """

    k: int = attrs.field(default=10, validator=validators.ge(1))
    position: float = attrs.field(default=0.3, validator=_WEIGHT)
    confidence: float = attrs.field(default=0.5, validator=_WEIGHT)
    consistency: float = attrs.field(default=0.1, validator=_WEIGHT)
    decay: float = attrs.field(default=1.0, validator=(validators.gt(0.0), validators.lt(float("inf"))))

    def __attrs_post_init__(self) -> None:
        """Refuse weights that leave nothing to learn.

        Raises:
            ValueError: All three are 0.
        """
        if not self.position + self.confidence + self.consistency:
            raise ValueError("one of 'position', 'confidence' and 'consistency' must be above 0, got 0 for all three")


DESCRIPTOR = LossDescriptor(
    name="ranking",
    summary="Likelihood of the teacher's order of its best candidates, weighted by rank, confidence and agreement.",
    build=lambda settings: LogitLoss(name="ranking", terms=partial(ranking_terms, settings=settings)),
    config=RankingSettings,
    reference="Cui et al. 2024 (DLLM2Rec), arXiv 2405.00338; Xia et al. 2008 (ListMLE)",
)


def ranking_terms(student: "Tensor", teacher: "Tensor", settings: RankingSettings) -> "Tensor":
    """Return ``Σ_r w_r (log Σ_{v ∈ V_r} exp s_v − s_{π(r)})``, ``π(r)`` the teacher's candidate of rank ``r ≤ k``.

    ``V_r`` are all candidates but those of ranks before ``r``: each term is the cross-entropy of choosing the
    teacher's next best among what is left. The weights of a position sum to 1.

    Candidates to which either model gives a logit of −∞ take no part. Equal logits of the teacher are in any order.

    Args:
        student: ``(positions, candidates)`` logits.
        teacher: The same shape.
        settings: ``k`` and the weights.

    Returns:
        ``(positions,)``, float32 or wider.
    """
    import torch

    dtype = torch.promote_types(student.dtype, torch.float32)
    ours, theirs = student.to(dtype), teacher.detach().to(dtype)
    out = (ours == -torch.inf) | (theirs == -torch.inf)
    # finite, as the derivative of a sum over nothing but −∞ would be NaN; still far below any logit
    ours = ours.masked_fill(out, torch.finfo(dtype).min / 4)
    best, items = theirs.masked_fill(out, -torch.inf).topk(min(settings.k, theirs.shape[-1]))
    weights = importance(best, items, ours.detach(), settings)
    return (weights * choice_costs(ours, items)).sum(-1)


def choice_costs(logits: "Tensor", ranked: "Tensor") -> "Tensor":
    """Return the cross-entropy of choosing each ranked candidate among all but those before it.

    Args:
        logits: ``(positions, candidates)``, finite.
        ranked: int64 ``(positions, k)``, the candidates in order.

    Returns:
        ``(positions, k)``.

    >>> import torch
    >>> choice_costs(torch.zeros(1, 3), torch.tensor([[2, 0, 1]])).exp().round().tolist()
    [[3.0, 2.0, 1.0]]
    """
    import torch

    chosen = logits.gather(-1, ranked)
    left = logits.scatter(-1, ranked, torch.finfo(logits.dtype).min / 4).logsumexp(-1)
    costs = []
    for logit in reversed(chosen.unbind(-1)):
        left = torch.logaddexp(left, logit)
        costs.append(left - logit)
    return torch.stack(costs[::-1], dim=-1)


def importance(best: "Tensor", ranked: "Tensor", student: "Tensor", settings: RankingSettings) -> "Tensor":
    """Return the weights ``γ_p w_p + γ_c w_c + γ_o w_o`` of the ranked candidates, scaled to a sum of 1.

    ``w_p ∝ exp(−r/λ)`` of the rank ``r`` and ``w_c ∝`` the teacher's probability each sum to 1; ``w_o`` is 1 for those
    among the student's best ``k``. All are 0 for candidates that are ruled out, and where no weight is left.

    DLLM2Rec measures confidence by the distance between what a language model wrote and the item's text; a teacher that
    gives logits says it by its probability.

    Args:
        best: ``(positions, k)``, the teacher's logits in order, −∞ for candidates that are ruled out.
        ranked: int64 ``(positions, k)``, the candidates.
        student: ``(positions, candidates)`` logits.
        settings: The weights.
    """
    import torch

    valid = best != -torch.inf
    ranks = torch.arange(1, best.shape[-1] + 1, device=best.device, dtype=best.dtype)
    position = _scaled(torch.exp((1.0 - ranks) / settings.decay) * valid)
    confidence = _scaled(torch.exp(best - best[:, :1]).masked_fill(~valid, 0.0))
    threshold = student.topk(best.shape[-1]).values[:, -1:]
    agreed = (student.gather(-1, ranked) >= threshold) & valid
    return _scaled(
        settings.position * position + settings.confidence * confidence + settings.consistency * agreed.to(best.dtype)
    )


def _scaled(weights: "Tensor") -> "Tensor":
    """Return the weights with a sum of 1 in each row; rows of 0 stay."""
    import torch

    return weights / weights.sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
