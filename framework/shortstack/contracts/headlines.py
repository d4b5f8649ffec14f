"""The metrics of each task that are always there and are compared between methods."""

from typing import Final

import attrs

HEADLINE_CUTOFF: Final = 10
HEADLINES: Final = (f"hr@{HEADLINE_CUTOFF}", f"ndcg@{HEADLINE_CUTOFF}", f"mrr@{HEADLINE_CUTOFF}")
SELECTED_BY: Final = f"ndcg@{HEADLINE_CUTOFF}"
"""What rankers are selected by, on validation users, and what the verdict is about."""

FLOORS: Final = ("popularity", "personal-popularity", "item-knn", "markov", "mode", "global-mean", "user-mean")
"""What needs no training: of the tasks that rank, then of the one that rates."""


@attrs.frozen(kw_only=True)
class Headlines:
    """What a task is judged by.

    Attributes:
        metrics: Compared between methods, given for every slice.
        selected_by: What models are selected by, on validation cases, and what the verdict is about; higher is better.
    """

    metrics: tuple[str, ...] = HEADLINES
    selected_by: str = SELECTED_BY


def spoken(metric: str) -> str:
    """A metric as people write it.

    >>> spoken("ndcg@10"), spoken("auc"), spoken("accuracy")
    ('NDCG@10', 'AUC', 'accuracy')
    """
    return metric if metric in {"loss", "accuracy", "accuracy±0.5"} else metric.upper()
