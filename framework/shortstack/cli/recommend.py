"""``shortstack recommend``: the next items after a history."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shortstack.cli.options import Json, cell, echo_json, warn_of_mixture
from shortstack.errors import SourceNotFoundError, UnknownNameError
from shortstack.run_layout import RUN, STUDENT


def recommend(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a student's.")],
    history: Annotated[list[str], typer.Option(help="An item's title or id, oldest first. Repeat for more.")],
    top: Annotated[int, typer.Option(min=1, help="How many items to recommend.")] = 10,
    seen: Annotated[
        str | None,
        typer.Option(help="exclude or include items of the history; by default as in the model's evaluation."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Recommend the next items after a history."""
    from shortstack.pipeline.provenance import described_settings
    from shortstack.recommender import Recommender

    if seen not in {None, "exclude", "include"}:
        raise UnknownNameError("rule for seen items in --seen", str(seen), ("exclude", "include"))
    warn_of_mixture(folder)
    student = folder / STUDENT if (folder / STUDENT).is_dir() else folder
    if student == folder and (folder / RUN).is_file():
        raise SourceNotFoundError(
            f"the run in {folder} has no student yet; shortstack run with its settings goes on with it"
        )
    items = Recommender.from_pretrained(student).recommend(
        history, k=top, exclude_seen=None if seen is None else seen == "exclude"
    )
    if as_json:
        echo_json([{"id": r.id, "title": r.title, "score": r.score} for r in items])
        return
    table = Table("rank", "title", "id", "log-probability", caption=cell(described_settings(student)) or None)
    for rank, item in enumerate(items, start=1):
        table.add_row(str(rank), cell(item.title), cell(item.id), f"{item.score:.3f}")
    Console().print(table)
