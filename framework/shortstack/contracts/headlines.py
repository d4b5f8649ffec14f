"""The metrics that are always there, are compared between methods, and are given for every slice."""

from typing import Final

HEADLINE_CUTOFF: Final = 10
HEADLINES: Final = (f"hr@{HEADLINE_CUTOFF}", f"ndcg@{HEADLINE_CUTOFF}", f"mrr@{HEADLINE_CUTOFF}")
SELECTED_BY: Final = f"ndcg@{HEADLINE_CUTOFF}"
"""What models are selected by, on validation users, and what the verdict is about."""
