"""``shortstack merge``: combine the shards of a scoring into one file."""

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
    """Merge the shards of a scoring.

    Example:
        shortstack merge 1.safetensors 2.safetensors --json a.json
    """
    from shortstack.scoring.score_file import merge_parts

    merge_parts(parts, out, Registry.from_environment())
    show_scores(out)


def show_scores(path: Path) -> None:
    """Print a file of scores as a table."""
    record = read_json(path)
    table = Table("layer", *record["scores"])
    for layer, values in enumerate(zip(*record["scores"].values(), strict=True)):
        table.add_row(str(layer), *(f"{value:.4g}" for value in values))
    Console().print(table)
    echo(f"{record['examples']} examples, {record['seconds']:.1f} s: {path}")
