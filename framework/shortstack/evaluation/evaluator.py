"""How good is a ranker? Ranks of the right answers, metrics, intervals over users, and paired comparisons."""

from typing import get_args

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shortstack.contracts.headlines import HEADLINE_CUTOFF, HEADLINES
from shortstack.data.sequences import Cases
from shortstack.errors import ConfigurationError, NonFiniteError, UnknownNameError
from shortstack.evaluation.bootstrap import Values
from shortstack.evaluation.evaluation import Comparison, Estimate, Evaluation, compare_all
from shortstack.evaluation.metrics import metric_values
from shortstack.evaluation.protocols import ProtocolName, RankingProtocol, ranking_protocol
from shortstack.evaluation.rankers import Ranker
from shortstack.evaluation.slices import Slices

__all__ = ["Comparison", "Estimate", "Evaluation", "RankEvaluation", "RecommendationEvaluator"]

_CASES = 256  # scored at once: bounds the memory to this many rows of the catalogue


@attrs.frozen(kw_only=True, eq=False, slots=False)
class RankEvaluation(Evaluation):
    """Where a ranker put the right answers.

    Attributes:
        ranks: float64 ``(cases,)``: the mid-rank of the target.
        without_history: How many cases had no history.
    """

    ranks: NDArray[np.float64]
    without_history: int


@attrs.frozen(kw_only=True)
class RecommendationEvaluator:
    """Evaluates rankers on cases, all in the same way.

    Attributes:
        cutoffs: The k of HR@k, NDCG@k and MRR@k; 10 is added where it is missing, because models are selected by it.
        protocol: ``"full"``: against the whole catalogue; ``"sampled"``: against 999 seeded negatives a case.
        exclude_seen: Whether items of the history are left out of the ranking; the target never is.
        resamples: How many bootstrap resamples an interval rests on.
        seed: Of the negatives and of the resamples.
        slices: How the cases are divided; None for no slices.
    """

    cutoffs: tuple[int, ...] = attrs.field(default=(1, 5, 10, 20))
    protocol: ProtocolName = attrs.field(default="full")
    exclude_seen: bool = True
    resamples: int = attrs.field(default=1000)
    seed: int = 0
    slices: Slices | None = None

    @cutoffs.validator
    def _positive(self, _attribute: object, cutoffs: tuple[int, ...]) -> None:
        if not cutoffs or min(cutoffs) < 1:
            raise ConfigurationError(f"cutoffs must be one or more whole numbers from 1, got {list(cutoffs)}")

    @protocol.validator
    def _known(self, _attribute: object, protocol: str) -> None:
        if protocol not in get_args(ProtocolName):
            raise UnknownNameError("evaluation protocol", protocol, get_args(ProtocolName))

    @resamples.validator
    def _enough(self, _attribute: object, resamples: int) -> None:
        if resamples < 1:
            raise ConfigurationError(f"resamples must be at least 1, got {resamples}; 1000 is usual")

    def evaluate(self, ranker: Ranker, cases: Cases) -> RankEvaluation:
        """Rank every case's target.

        Raises:
            NonFiniteError: A score is NaN or infinite.
            ConfigurationError: The ranker's scores have the wrong shape, or do not reach a target.
        """
        protocol = ranking_protocol(self.protocol, exclude_seen=self.exclude_seen, seed=self.seed)
        ranks, losses = np.zeros(len(cases)), np.zeros(len(cases))
        lengths = cases.stops - cases.starts
        by_length = np.argsort(lengths, kind="stable")  # histories of like length share a batch
        for start in range(0, len(cases), _CASES):
            rows = by_length[start : start + _CASES]
            ranks[rows], losses[rows] = _answers(ranker, cases, rows, protocol)
        cutoffs = tuple(sorted({*self.cutoffs, HEADLINE_CUTOFF}))
        values = metric_values(ranks, cutoffs)
        values["loss"] = losses if ranker.scores_are_logits else np.full(len(cases), np.nan)
        masks = {} if self.slices is None else self.slices.masks(cases)
        values |= {f"{m}/{name}": np.where(mask, values[m], np.nan) for m in HEADLINES for name, mask in masks.items()}
        return RankEvaluation(
            values=values,
            users=cases.users,
            targets=cases.targets,
            resamples=self.resamples,
            seed=self.seed,
            ranks=ranks,
            without_history=int(np.count_nonzero(lengths == 0)),
        )

    def compare(self, first: Evaluation, second: Evaluation, metric: str = "ndcg@10") -> Comparison:
        """Compare two rankers on one metric, paired: both see the same resampled users.

        Raises:
            UnknownNameError: There is no such metric.
            ConfigurationError: The evaluations are not of the same cases.
        """
        return compare_all(first, second, (metric,))[metric]


def _answers(ranker: Ranker, cases: Cases, rows: NDArray[np.int64], protocol: RankingProtocol) -> tuple[Values, Values]:
    """The ranks and losses of some cases; losses mean nothing where the scores are no logits."""
    scores = ranker.scores([cases.history(row) for row in rows])
    _check(ranker, scores, cases, rows)
    targets = torch.from_numpy(cases.targets[rows]).to(scores.device)
    loss = torch.nn.functional.cross_entropy(scores, targets, reduction="none") if ranker.scores_are_logits else None
    losses = np.zeros(len(rows)) if loss is None else loss.double().cpu().numpy()
    return protocol.ranks(scores, cases, rows).cpu().numpy(), losses


def _check(ranker: Ranker, scores: Tensor, cases: Cases, rows: NDArray[np.int64]) -> None:
    """Refuse scores that cannot be ranked."""
    name, highest = type(ranker).__name__, int(cases.targets[rows].max())
    if scores.ndim != 2 or len(scores) != len(rows) or scores.shape[1] <= highest:
        raise ConfigurationError(
            f"{name} gave scores of shape {tuple(scores.shape)} for {len(rows)} cases with items up to {highest}; "
            "a ranker gives one row a case and one column an item"
        )
    finite = torch.isfinite(scores).all(dim=1)
    if not finite.all():
        case = rows[int((~finite).nonzero()[0])]
        raise NonFiniteError(f"{name} gave a NaN or infinite score for case {case}; such a model cannot be ranked")
