"""Recommendation of items that a user had before: as the settings say, or else as users behave in the data."""

from typing import TYPE_CHECKING

from shortstack.files import read_json
from shortstack.run_layout import DATA, FACTS

if TYPE_CHECKING:
    from shortstack.data.sequences import Seen
    from shortstack.pipeline.stage import Context

RETURNING = 0.01
"""Share of interactions with an item that the user had before, from which on users are taken to return to items."""


def seen_by(context: "Context") -> "Seen":
    """Return whether items of the history are candidates: as set, else by the share of repeats in the prepared data."""
    if context.run.evaluation.seen is not None:
        return context.run.evaluation.seen
    facts = read_json(context.root / DATA / FACTS)
    repeats = facts.get("duplicate_pairs", 0)  # none are counted of impressions
    return "include" if repeats and repeats >= RETURNING * facts["interactions"] else "exclude"
