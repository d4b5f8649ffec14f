"""AUC, MRR, NDCG@5 and NDCG@10 of a ranker on each impression, as MIND defines them.

Source: Wu et al. 2020, MIND, and its evaluate.py: all four are means over impressions; the reciprocal rank is the mean over
an impression's clicks, the gain of a click 1 and its discount log2(1 + rank). Ties have their mid-rank, where the original
leaves them to the order of the list.
"""

from functools import partial

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from shortstack.contracts.headlines import CLICK_HEADLINES
from shortstack.data.impressions import Impressions
from shortstack.errors import ConfigurationError, NonFiniteError
from shortstack.evaluation.bootstrap import Values
from shortstack.evaluation.custom import CustomMetric
from shortstack.evaluation.evaluation import Evaluation
from shortstack.evaluation.rankers import Ranker, scores_of
from shortstack.processes import ALONE, World

_ROWS = 256


@attrs.frozen(kw_only=True)
class ImpressionEvaluator:
    """Evaluates rankers on impressions.

    Attributes:
        resamples: Number of bootstrap resamples of an interval.
        seed: Seed of the resamples.
        metrics: More metrics, functions of ``scores, clicked``; see ``shortstack.evaluation.custom``.
        world: The processes that share the impressions, all of which evaluate the same rankers in the same order.
    """

    resamples: int = attrs.field(default=1000, validator=attrs.validators.ge(1))
    seed: int = 0
    metrics: tuple[CustomMetric, ...] = ()
    world: World = ALONE

    @property
    def _names(self) -> tuple[str, ...]:
        return (*CLICK_HEADLINES.metrics, *(metric.name for metric in self.metrics))

    def evaluate(self, ranker: Ranker, impressions: Impressions) -> Evaluation:
        """Rank the shown items of each impression; impressions with only clicks, or none, have NaN.

        Raises:
            NonFiniteError: A score is NaN or infinite.
            ConfigurationError: The ranker's scores do not reach an item.
        """
        values: dict[str, Values] = {name: np.full(len(impressions), np.nan) for name in self._names}
        starts = range(0, len(impressions), _ROWS)
        batches = [range(start, min(start + _ROWS, len(impressions))) for start in starts]
        for rows, answers in zip(
            batches, self.world.map(partial(self._answers, ranker, impressions), batches), strict=True
        ):
            for row, answer in zip(rows, answers, strict=True):
                for name, value in answer.items():
                    values[name][row] = value
        return Evaluation(
            values=values,
            users=impressions.users,
            targets=np.diff(impressions.shown_offsets),  # only identifies the impressions, for comparisons
            resamples=self.resamples,
            seed=self.seed,
        )

    def _answers(self, ranker: Ranker, impressions: Impressions, rows: range) -> list[dict[str, float]]:
        """Return the metrics of each of some impressions; none where AUC has no clicked item to compare with others."""
        histories = [impressions.history(row) for row in rows]
        scores = scores_of(ranker, histories, items=1).detach().double().cpu().numpy()
        return [
            self._of_impression(ranker, line, *impressions.candidates(row))
            for row, line in zip(rows, scores, strict=True)
        ]

    def _of_impression(
        self, ranker: Ranker, line: Values, shown: NDArray[np.int64], clicked: NDArray[np.bool_]
    ) -> dict[str, float]:
        if clicked.all() or not clicked.any():
            return {}
        scores = _of(line, shown, ranker)
        # copies, because a custom metric may write to its arguments
        return _metrics(scores, clicked) | {metric.name: metric.value(scores, clicked) for metric in self.metrics}


def _of(line: Values, shown: NDArray[np.int64], ranker: Ranker) -> Values:
    """Return the scores of the shown items, checked."""
    name = type(ranker).__name__
    if shown.max() >= len(line):
        raise ConfigurationError(f"{name} scores {len(line)} items, but item {shown.max()} was shown")
    if not np.isfinite(line[shown]).all():
        raise NonFiniteError(f"{name} gave a NaN or infinite score; such a model cannot be ranked")
    scores: Values = line[shown]
    return scores


def _metrics(scores: Values, clicked: NDArray[np.bool_]) -> dict[str, float]:
    """Return the metrics of one impression with both clicked and other items.

    >>> _metrics(np.array([3.0, 2.0, 1.0]), np.array([False, True, False]))["mrr"]
    0.5
    """
    ranks = rankdata(-scores)
    clicks, others = int(clicked.sum()), int((~clicked).sum())
    above = ranks[clicked].sum() - clicks * (clicks + 1) / 2  # others ranked above clicks, ties as halves
    metrics = {"auc": 1 - above / (clicks * others), "mrr": float((1 / ranks[clicked]).mean())}
    for cutoff in (5, 10):
        ideal = (1 / np.log2(np.arange(min(clicks, cutoff)) + 2)).sum()
        gains = np.where(ranks[clicked] <= cutoff, 1 / np.log2(ranks[clicked] + 1), 0.0)
        metrics[f"ndcg@{cutoff}"] = float(gains.sum() / ideal)
    return metrics
