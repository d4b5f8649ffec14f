"""``shortstack recommend``: the next items after a history, or after those of all users of a file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shortstack.cli.common_options import progress_console
from shortstack.cli.completion import device as device_word
from shortstack.cli.options import Json, cell, device_of, echo_json, student_of, warn_of_mixture
from shortstack.cli.recommend_users import recommend_users
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.progress import ToConsole


def recommend(  # noqa: PLR0917 -- typer makes options of them
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a student's.")],
    history: Annotated[
        list[str] | None, typer.Option(help="An item's title or id, oldest first. Repeat for more.")
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option(help="Instead: .parquet, .csv or .jsonl of many users, with the columns user and items."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="With --users: the Parquet file to write; the same command goes on.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many items to recommend.")] = 10,
    seen: Annotated[
        str | None,
        typer.Option(help="exclude or include items of the history; by default as in the model's evaluation."),
    ] = None,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="With --users: leave unknown items out, and users without any empty.")
    ] = False,
    titles: Annotated[bool, typer.Option("--titles", help="With --users: write titles, too.")] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="With --users: processes that compute at the same time; by default one.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="With --users: compute on a Ray cluster; 'local' starts one here."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", autocompletion=device_word)] = "cpu",
    as_json: Json = False,
) -> None:
    """Recommend the next items after a history, or after those of all users of a file.

    Example:
        shortstack recommend runs/quickstart --history "Toy Story (1995)"
    """
    if seen not in {None, "exclude", "include"}:
        raise UnknownNameError("rule for seen items in --seen", str(seen), ("exclude", "include"))
    _require_one_use(history, users, out, with_users=skip_unknown or titles or bool(processes or ray), as_json=as_json)
    warn_of_mixture(folder)
    student, exclude_seen = student_of(folder), None if seen is None else seen == "exclude"
    # the GPUs are those of the cluster, of which this machine may have none
    place = device if ray and device == "cuda" else device_of(device)
    if users is not None and out is not None:
        recommend_users(
            student,
            users,
            out,
            top=top,
            exclude_seen=exclude_seen,
            skip_unknown=skip_unknown,
            titles=titles,
            processes=processes,
            device=place,
            progress=ToConsole(progress_console(context, stderr=True)),
            ray=ray,
        )
        return
    _show(student, history or [], top, exclude_seen, device=place, as_json=as_json)


def _show(
    student: Path, history: list[str], top: int, exclude_seen: bool | None, *, device: str, as_json: bool
) -> None:
    """Print the items after one history."""
    from shortstack.pipeline.provenance import described_settings
    from shortstack.recommender import Recommender

    items = Recommender.from_pretrained(student, device=device).recommend(history, k=top, exclude_seen=exclude_seen)
    if as_json:
        echo_json([{"id": r.id, "title": r.title, "score": r.score} for r in items])
        return
    table = Table("rank", "title", "id", "log-probability", caption=cell(described_settings(student)) or None)
    for rank, item in enumerate(items, start=1):
        table.add_row(str(rank), cell(item.title), cell(item.id), f"{item.score:.3f}")
    Console().print(table)


def _require_one_use(
    history: list[str] | None, users: Path | None, out: Path | None, *, with_users: bool, as_json: bool
) -> None:
    """Raise unless the options make one of the two uses.

    Raises:
        ConfigurationError: They mix both, or lack a part of one.
    """
    if (history is None) == (users is None):
        raise ConfigurationError("recommend takes either --history ITEM, or --users FILE with --out FILE.parquet")
    if users is not None and (out is None or as_json):
        raise ConfigurationError("--users writes a Parquet file: name it with --out FILE.parquet, without --json")
    if users is None and (out is not None or with_users):
        raise ConfigurationError("--out, --skip-unknown, --titles, --processes and --ray go with --users FILE")
