"""Evaluation of rankers: ranks of the targets, metrics, intervals over users, and paired comparisons."""

from collections.abc import Sequence
from functools import partial
from typing import Any, get_args

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shortstack.config.given import Given
from shortstack.contracts.headlines import HEADLINE_CUTOFF, HEADLINES
from shortstack.data.sequences import Cases, Seen
from shortstack.errors import ConfigurationError, EmptyDataError, NonFiniteError, UnknownNameError
from shortstack.evaluation.bootstrap import Values
from shortstack.evaluation.comparisons import Comparison, Estimate, compare_all
from shortstack.evaluation.custom import RANKS, SCORES, CustomMetric, custom_metrics, of_form
from shortstack.evaluation.evaluation import Evaluation
from shortstack.evaluation.metrics import metric_values
from shortstack.evaluation.protocols import ProtocolName, RankingProtocol, ranking_protocol, without_seen
from shortstack.evaluation.rankers import Ranker, scores_of
from shortstack.evaluation.slices import Slices
from shortstack.models.top_scores import rows_at_once
from shortstack.processes import ALONE, World

__all__ = ["Comparison", "Estimate", "Evaluation", "RankEvaluation", "RecommendationEvaluator"]

_CASES = 256
"""Largest number of cases that are scored at once; fewer of a large catalogue, so that the memory does not grow with it."""


@attrs.frozen(kw_only=True, eq=False, slots=False)
class RankEvaluation(Evaluation):
    """Ranks of the targets by a ranker.

    Attributes:
        ranks: float64 ``(cases,)``: the mid-rank of the target.
        rows: int64 ``(cases,)``: indices of these cases among the given ones.
        without_history: Number of these cases without history.
        repeats: Number of given cases whose target is in the history.
        left_out: Number of given cases that are not evaluated.
    """

    ranks: NDArray[np.float64]
    rows: NDArray[np.int64]
    without_history: int
    repeats: int
    left_out: int

    @property
    def facts(self) -> dict[str, int]:
        """Number of cases of each kind, for the record."""
        kinds = {"repeats": self.repeats, "left_out": self.left_out, "without_history": self.without_history}
        return super().facts | kinds


def _custom(metrics: Sequence[Any]) -> tuple[CustomMetric, ...]:
    """Convert functions to metrics; ``CustomMetric`` objects are kept."""
    ready = [metric for metric in metrics if isinstance(metric, CustomMetric)]
    others = custom_metrics([Given.of(metric) for metric in metrics if not isinstance(metric, CustomMetric)])
    return of_form((*ready, *others), RANKS, SCORES)


@attrs.frozen(kw_only=True)
class RecommendationEvaluator:
    """Evaluates rankers on cases by one protocol.

    Attributes:
        cutoffs: The k of HR@k, NDCG@k and MRR@k; 10 is added if missing, because models are selected by it.
        protocol: ``"full"``: against the whole catalogue; ``"sampled"``: against 999 seeded negatives per case.
        seen: ``"exclude"``: items of the history are not candidates, and a case whose target is one of them is left out
            and counted; ``"include"``: they are candidates like all others, for users who return to items.
        resamples: Number of bootstrap resamples of an interval.
        seed: Seed of the negatives and of the resamples.
        slices: Division of the cases; None for no slices.
        metrics: More metrics, functions of ``ranks`` or of ``scores, targets``; see ``shortstack.evaluation.custom``.
        world: The processes that share the cases, all of which evaluate the same rankers in the same order.
    """

    cutoffs: tuple[int, ...] = attrs.field(default=(1, 5, 10, 20))
    protocol: ProtocolName = attrs.field(default="full")
    seen: Seen = attrs.field(default="exclude")
    resamples: int = attrs.field(default=1000)
    seed: int = 0
    slices: Slices | None = None
    metrics: tuple[CustomMetric, ...] = attrs.field(default=(), converter=_custom)
    world: World = ALONE

    @cutoffs.validator
    def _positive(self, _attribute: object, cutoffs: tuple[int, ...]) -> None:
        if not cutoffs or min(cutoffs) < 1:
            raise ConfigurationError(f"cutoffs must be one or more whole numbers from 1, got {list(cutoffs)}")

    @protocol.validator
    def _known(self, _attribute: object, protocol: str) -> None:
        if protocol not in get_args(ProtocolName):
            raise UnknownNameError("evaluation protocol", protocol, get_args(ProtocolName))

    @seen.validator
    def _known_rule(self, _attribute: object, seen: str) -> None:
        if seen not in get_args(Seen):
            raise UnknownNameError("rule for seen items", seen, get_args(Seen))

    @resamples.validator
    def _enough(self, _attribute: object, resamples: int) -> None:
        if resamples < 1:
            raise ConfigurationError(f"resamples must be at least 1, got {resamples}; 1000 is usual")

    def rows(self, cases: Cases) -> NDArray[np.int64]:
        """Return the indices of the evaluated cases.

        Raises:
            EmptyDataError: No case is evaluated.
        """
        counted = np.ones(len(cases), dtype=bool) if self.seen == "include" else ~cases.repeats
        if not counted.any():
            raise EmptyDataError(
                f"each of the {len(cases):,} cases has a target that is in its history, and seen = 'exclude' leaves such cases "
                "out, so none is left to evaluate; set seen = 'include' (evaluation.seen of a run)"
            )
        return np.flatnonzero(counted)

    def evaluate(self, ranker: Ranker, cases: Cases) -> RankEvaluation:
        """Rank every case's target among candidates that depend on the history alone.

        Raises:
            NonFiniteError: A score is NaN or infinite.
            ConfigurationError: The ranker's scores have the wrong shape, or no column for an item of the cases.
            EmptyDataError: Every case is left out.
        """
        rows, repeats = self.rows(cases), cases.repeats
        chosen = cases.at(rows)
        ranks, losses, more = self._answers(ranker, chosen)
        values = metric_values(ranks, tuple(sorted({*self.cutoffs, HEADLINE_CUTOFF}))) | more
        # scores that are not logits give no probabilities, and so no loss
        values["loss"] = losses if ranker.scores_are_logits else np.full(len(chosen), np.nan)
        masks = {} if self.slices is None else self.slices.masks(chosen) | _by_status(repeats[rows])
        values |= {
            f"{m}/{name}": np.where(mask, values[m], np.nan)
            for m in (*HEADLINES, *more)
            for name, mask in masks.items()
        }
        return RankEvaluation(
            values=values,
            users=chosen.users,
            targets=chosen.targets,
            resamples=self.resamples,
            seed=self.seed,
            ranks=ranks,
            rows=rows,
            without_history=int(np.count_nonzero(chosen.stops == chosen.starts)),
            repeats=int(repeats.sum()),
            left_out=len(cases) - len(rows),
        )

    def _answers(self, ranker: Ranker, cases: Cases) -> tuple[Values, Values, dict[str, Values]]:
        """Return ranks, losses and custom metrics, computed for some cases at a time."""
        protocol = ranking_protocol(self.protocol, seen=self.seen, seed=self.seed)
        items = 1 + int(max(cases.targets.max(), cases.every_item.max(initial=0)))
        size = rows_at_once(items, _CASES)
        ranks, losses = np.zeros(len(cases)), np.zeros(len(cases))
        more = {metric.name: np.full(len(cases), np.nan) for metric in self.metrics}
        by_length = np.argsort(cases.stops - cases.starts, kind="stable")  # histories of like length share a batch
        batches = [by_length[start : start + size] for start in range(0, len(cases), size)]
        answers = self.world.map(partial(self._batch_answers, ranker, cases, items, protocol), batches)
        for rows, (some_ranks, some_losses, some_more) in zip(batches, answers, strict=True):
            ranks[rows], losses[rows] = some_ranks, some_losses
            for name, values in some_more.items():
                more[name][rows] = values
        more |= {m.name: m.values(len(cases), ranks) for m in self.metrics if m.reads == RANKS}
        return ranks, losses, more

    def _batch_answers(
        self, ranker: Ranker, cases: Cases, items: int, protocol: RankingProtocol, rows: NDArray[np.int64]
    ) -> tuple[Values, Values, dict[str, Values]]:
        """Return ranks, losses and custom metrics of scores for some cases at once; ``items`` are in all of them."""
        scores = scores_of(ranker, [cases.history(row) for row in rows], items)
        _require_finite(ranker, scores, rows)
        ranks = protocol.ranks(scores, cases, rows).cpu().numpy()
        of_scores = [metric for metric in self.metrics if metric.reads == SCORES]
        more = {metric.name: _of_scores(metric, scores, cases, rows, self.seen) for metric in of_scores}
        return ranks, _losses(ranker, scores, cases, rows), more

    def compare(self, first: Evaluation, second: Evaluation, metric: str = "ndcg@10") -> Comparison:
        """Compare two rankers on one metric, paired: both are resampled with the same users.

        Raises:
            UnknownNameError: There is no such metric.
            ConfigurationError: The evaluations are not of the same cases.
        """
        return compare_all(first, second, (metric,))[metric]


def _by_status(repeats: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Return masks of repeats and first choices, if there are repeats: they are different problems."""
    return {"repeat": repeats, "first-time": ~repeats} if repeats.any() else {}


def _losses(ranker: Ranker, scores: Tensor, cases: Cases, rows: NDArray[np.int64]) -> Values:
    """Return the losses of some cases, float64; 0, and unused, if the scores are not logits."""
    if not ranker.scores_are_logits:
        return np.zeros(len(rows))
    targets = torch.from_numpy(cases.targets[rows]).to(scores.device)
    losses: Values = torch.nn.functional.cross_entropy(scores, targets, reduction="none").double().cpu().numpy()
    return losses


def _of_scores(metric: CustomMetric, scores: Tensor, cases: Cases, rows: NDArray[np.int64], seen: Seen) -> Values:
    """Return a custom metric of the scores of all candidates, independent of the protocol."""
    candidates = without_seen(scores, cases, rows) if seen == "exclude" else scores.clone()
    return metric.values(len(rows), candidates.cpu(), torch.from_numpy(cases.targets[rows]))


def _require_finite(ranker: Ranker, scores: Tensor, rows: NDArray[np.int64]) -> None:
    """Raise if scores cannot be ranked."""
    finite = torch.isfinite(scores).all(dim=1)
    if not finite.all():
        case = rows[int((~finite).nonzero()[0])]
        raise NonFiniteError(
            f"{type(ranker).__name__} gave a NaN or infinite score for case {case}; such a model cannot be ranked"
        )
