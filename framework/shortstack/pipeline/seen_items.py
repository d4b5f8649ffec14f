"""Whether what a user had before may be recommended again: as the settings say, or as users behave."""

from typing import TYPE_CHECKING

from shortstack.files import read_json
from shortstack.run_layout import DATA, FACTS

if TYPE_CHECKING:
    from shortstack.data.sequences import Seen
    from shortstack.pipeline.stage import Context

RETURNING = 0.01
"""The share of interactions with an item that the user had before, from which on users are taken to return to items."""


def seen_by(context: "Context") -> "Seen":
    """Whether items of the history are candidates: as the settings say, else as the data do, which are there."""
    if context.run.evaluation.seen is not None:
        return context.run.evaluation.seen
    facts = read_json(context.root / DATA / FACTS)
    repeats = facts.get("duplicate_pairs", 0)  # none are counted of impressions
    return "include" if repeats and repeats >= RETURNING * facts["interactions"] else "exclude"
