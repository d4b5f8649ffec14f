"""Headline metrics of each task, which are always computed and compared between methods."""

from collections.abc import Mapping
from typing import Final

import attrs

HEADLINE_CUTOFF: Final = 10
HEADLINES: Final = (f"hr@{HEADLINE_CUTOFF}", f"ndcg@{HEADLINE_CUTOFF}", f"mrr@{HEADLINE_CUTOFF}")
SELECTED_BY: Final = f"ndcg@{HEADLINE_CUTOFF}"
"""Metric on validation users by which rankers are selected, and which the verdict is about."""

BASELINES: Final = (
    "popularity",
    "personal-popularity",
    "item-knn",
    "markov",
    "ease",
    "sasrec",
    "mode",
    "global-mean",
    "user-mean",
)
"""Built-in baselines: of the ranking tasks, then of the rating task. All but ``sasrec`` need no training."""


@attrs.frozen(kw_only=True)
class Headlines:
    """Headline metrics of a task.

    Attributes:
        metrics: Compared between methods, given for every slice.
        selected_by: Metric on validation cases that selects models and that the verdict is about; higher is better.
    """

    metrics: tuple[str, ...] = HEADLINES
    selected_by: str = SELECTED_BY


RANKING_HEADLINES: Final = Headlines()
"""Headlines for ranking the catalogue."""
CLICK_HEADLINES: Final = Headlines(metrics=("auc", "mrr", "ndcg@5", "ndcg@10"), selected_by="ndcg@10")
"""Headlines for ranking impressions."""
RATING_HEADLINES: Final = Headlines(metrics=("accuracy", "accuracy±0.5", "mae", "rmse"), selected_by="accuracy")
"""Headlines for predicting ratings."""


ERRORS: Final = frozenset({"mae", "rmse", "mse", "loss"})
"""Metrics where lower is better."""

KEEPS: Final = 0.98
"""Share of a reference's metric that a smaller model is tested to keep."""


def formatted_metric(metric: str) -> str:
    """Return a metric's name as it is usually written.

    >>> formatted_metric("ndcg@10"), formatted_metric("auc"), formatted_metric("accuracy")
    ('NDCG@10', 'AUC', 'accuracy')
    """
    known = metric.partition("@")[0] in {"hr", "ndcg", "mrr", "auc", "mae", "rmse", "mse"}
    return metric.upper() if known else metric


METRICS: Final[Mapping[str, tuple[str, str]]] = {
    "hr@k": ("next-item", "Hit rate: the share of cases whose item is among the first k."),
    "ndcg@k": ("next-item, click and rating", "Normalised discounted cumulative gain of the first k."),
    "mrr@k": ("next-item", "The mean of one over the item's rank, 0 beyond the first k."),
    "mrr": ("click and rating", "The mean of one over the rank of what was clicked, or of the best rated."),
    "auc": ("click", "The share of pairs of clicked and other shown items that are in the right order."),
    "accuracy": ("rating", "The share of cases whose likeliest rating is the right one."),
    "accuracy±0.5": ("rating", "The share of cases whose expected rating is at most half a step off."),
    "mae": ("rating", "The mean absolute error of the expected rating."),
    "rmse": ("rating", "The root of its mean squared error."),
    "loss": ("every model", "The mean negative log-probability of the right answer, in nats."),
}
"""Metric → the tasks that have it, and its definition; k is one of ``evaluation.cutoffs``."""
