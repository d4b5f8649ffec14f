"""``shortstack merge``: the shards of a scoring become one."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shortstack.cli.options import echo
from shortstack.files import read_json
from shortstack.registry import Registry


def merge(
    parts: Annotated[list[Path], typer.Argument(help="What shortstack score wrote for each shard.")],
    out: Annotated[Path, typer.Option("--json", help="The file for the scores.")],
) -> None:
    """Merge the shards of a scoring."""
    from shortstack.scoring.score_file import merge_parts

    merge_parts(parts, out, Registry.from_environment())
    show_scores(out)


def show_scores(path: Path) -> None:
    """Print a file of scores as a table."""
    found = read_json(path)
    table = Table("layer", *found["scores"])
    for layer, values in enumerate(zip(*found["scores"].values(), strict=True)):
        table.add_row(str(layer), *(f"{value:.4g}" for value in values))
    Console().print(table)
    echo(f"{found['examples']} examples, {found['seconds']:.1f} s: {path}")
