"""What ``shortstack run --check`` shows: the stages of a run, and what they would take."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from shortstack.cli.options import cell, echo
from shortstack.planning.formatting import formatted_time, gibibytes

if TYPE_CHECKING:
    from shortstack.pipeline.outlook import Outlook


def show_outlook(ahead: "Outlook") -> None:
    """Print the stages as a table, what is left in total, and the notes."""
    Console().print(_stages_table(ahead))
    for note in ahead.notes:
        echo(note)
    echo(f"settings and data are right; nothing was done; {_total(ahead)}")


def _stages_table(ahead: "Outlook") -> Table:
    table = Table("stage", "state", "time", "memory")
    for stage in ahead.stages:
        estimate = None if stage.kept else stage.estimate
        figures = ("", "") if estimate is None else (formatted_time(estimate.seconds), gibibytes(estimate.memory_bytes))
        table.add_row(cell(stage.stage), "kept" if stage.kept else "to do", *figures)
    return table


def _total(ahead: "Outlook") -> str:
    """Return what is left to do, and what that takes on this machine as far as it is known."""
    left = len(ahead.left)
    if not left:
        return "every stage is finished, and a run would write its report anew"
    work = f"{left} of {len(ahead.stages)} stages are to do"
    if not any(stage.estimate for stage in ahead.left):
        return work
    time, memory = formatted_time(ahead.seconds), gibibytes(ahead.memory_bytes)
    return f"{work}: about {time} of models' work at this machine's speed just now, and {memory} of memory at most"
