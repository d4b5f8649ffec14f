"""How good is a ranker? Ranks of the right answers, metrics, intervals over users, and paired comparisons."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import get_args

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shortstack.contracts.headlines import HEADLINE_CUTOFF, HEADLINES
from shortstack.data.sequences import Cases
from shortstack.errors import ConfigurationError, NonFiniteError, UnknownNameError
from shortstack.evaluation.bootstrap import Values, interval, resampled_means
from shortstack.evaluation.metrics import metric_values
from shortstack.evaluation.protocols import ProtocolName, RankingProtocol, ranking_protocol
from shortstack.evaluation.rankers import Ranker
from shortstack.evaluation.slices import Slices

_CASES = 256  # scored at once: bounds the memory to this many rows of the catalogue

Estimate = tuple[float, float, float]
"""A value and the ends of its 95 % interval."""


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Evaluation:
    """What a ranker did on each case, and what follows from it.

    Attributes:
        ranks: float64 ``(cases,)``: the mid-rank of the target.
        losses: float64 ``(cases,)``: ``−log softmax`` of the target over the catalogue; None if scores are no logits.
        users: int64 ``(cases,)``.
        targets: int64 ``(cases,)``.
        slices: Which cases belong to each slice, bool ``(cases,)``.
        cutoffs: The k of the metrics.
        resamples: How many bootstrap resamples an interval rests on.
        seed: Of the resamples.
        without_history: How many cases had no history.
    """

    ranks: NDArray[np.float64]
    losses: NDArray[np.float64] | None
    users: NDArray[np.int64]
    targets: NDArray[np.int64]
    slices: Mapping[str, NDArray[np.bool_]]
    cutoffs: tuple[int, ...]
    resamples: int
    seed: int
    without_history: int

    @cached_property
    def values(self) -> dict[str, Values]:
        """Every metric's value on each case, ``(cases,)``; NaN where the case is not in the metric's slice."""
        values = metric_values(self.ranks, self.cutoffs)
        values["loss"] = np.full(len(self.ranks), np.nan) if self.losses is None else self.losses
        for metric in HEADLINES:
            for name, mask in self.slices.items():
                values[f"{metric}/{name}"] = np.where(mask, values[metric], np.nan)
        return values

    @property
    def metrics(self) -> dict[str, float | None]:
        """The mean of each metric over its cases; None where there are none."""
        return {name: _mean(values) for name, values in self.values.items()}

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """The 95 % bootstrap interval of each metric over users; None where the metric is."""
        means = resampled_means(np.column_stack(list(self.values.values())), self.users, self.resamples, self.seed)
        return {name: interval(means[:, column]) for column, name in enumerate(self.values)}


@attrs.frozen(kw_only=True)
class Comparison:
    """One metric of two rankers on the same cases, each estimate as (value, low, high).

    Attributes:
        ratio: The first over the second; None where the second is 0 or either is undefined.
        difference: The first minus the second; None where either is undefined.
    """

    ratio: Estimate | None
    difference: Estimate | None


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

    def evaluate(self, ranker: Ranker, cases: Cases) -> Evaluation:
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
        return Evaluation(
            ranks=ranks,
            losses=losses if ranker.scores_are_logits else None,
            users=cases.users,
            targets=cases.targets,
            slices={} if self.slices is None else self.slices.masks(cases),
            cutoffs=tuple(sorted({*self.cutoffs, HEADLINE_CUTOFF})),
            resamples=self.resamples,
            seed=self.seed,
            without_history=int(np.count_nonzero(lengths == 0)),
        )

    def compare(self, first: Evaluation, second: Evaluation, metric: str = "ndcg@10") -> Comparison:
        """Compare two rankers on one metric, paired: both see the same resampled users.

        Raises:
            UnknownNameError: There is no such metric.
            ConfigurationError: The evaluations are not of the same cases.
        """
        return self.compare_all(first, second, (metric,))[metric]

    def compare_all(self, first: Evaluation, second: Evaluation, metrics: Sequence[str]) -> dict[str, Comparison]:
        """Compare two rankers on several metrics over the same resamples.

        Raises:
            UnknownNameError: There is no such metric.
            ConfigurationError: The evaluations are not of the same cases.
        """
        if not (np.array_equal(first.users, second.users) and np.array_equal(first.targets, second.targets)):
            raise ConfigurationError("only evaluations of the same cases can be compared, and these differ")
        for metric in metrics:
            if metric not in first.values:
                raise UnknownNameError("metric", metric, first.values)
        columns = [evaluation.values[metric] for evaluation in (first, second) for metric in metrics]
        means = resampled_means(np.column_stack(columns), first.users, self.resamples, self.seed)
        return {
            metric: _comparison(first.metrics[metric], second.metrics[metric], means[:, i], means[:, i + len(metrics)])
            for i, metric in enumerate(metrics)
        }


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


def _mean(values: Values) -> float | None:
    """The mean over the cases that count, None if none does."""
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if len(counted) else None


def _comparison(first: float | None, second: float | None, firsts: Values, seconds: Values) -> Comparison:
    """Ratio and difference of two means, with intervals from their paired resamples."""
    if first is None or second is None:
        return Comparison(ratio=None, difference=None)
    ratios = np.divide(firsts, seconds, out=np.full_like(firsts, np.nan), where=seconds != 0)
    return Comparison(
        ratio=_estimate(first / second, ratios) if second else None,
        difference=_estimate(first - second, firsts - seconds),
    )


def _estimate(value: float, resampled: Values) -> Estimate | None:
    """A value with its interval."""
    ends = interval(resampled)
    return None if ends is None else (value, *ends)
