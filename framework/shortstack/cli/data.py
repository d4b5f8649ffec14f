"""``shortstack data``: inspect and download data sets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shortstack.cli.options import Json, cell, echo, echo_json
from shortstack.config.reader import overridden
from shortstack.errors import UnknownNameError
from shortstack.registry import Registry
from shortstack.registry.isolation import plugin_errors

app = typer.Typer(name="data", help="Look into a data set, or download one.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A dataset adapter: shortstack list datasets.")]


@app.command()
def inspect(  # noqa: PLR0917 -- typer makes options of them
    name: Name,
    source: Annotated[str, typer.Argument(help="A folder, file or archive.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One of the adapter's settings: setting=value. May be repeated.")
    ] = None,
    core: Annotated[int, typer.Option(min=0, help="The k-core to try; 0 keeps everything.")] = 5,
    split: Annotated[str, typer.Option(help="The split to try.")] = "leave-last",
    order: Annotated[str, typer.Option(help="By 'time', or as in the 'file'.")] = "time",
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave bad rows out, count them, and show the first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Inspect a data set: its edition, sizes, times and repeats, and what a k-core and a split would leave."""
    from shortstack.data.inspection import inspected
    from shortstack.data.splits import check_order, named_split

    check_order(named_split(split), order)
    registry = Registry.from_environment()
    overrides = overridden({}, settings or ()) | ({"skip_bad_rows": True} if skip_bad_rows else {})
    adapter = registry.build("dataset", name, overrides)
    with plugin_errors(registry.find("dataset", name)):
        facts = inspected(adapter.read(source), split=split, core=core, order=order)
    if as_json:
        echo_json(facts)
        return
    table = Table(show_header=False)
    for row, value in _rows(facts):
        table.add_row(row, cell(value))
    Console().print(table)


@app.command()
def fetch(
    name: Name,
    edition: Annotated[str | None, typer.Argument(help="Which edition; leave it out to see which there are.")] = None,
    to: Annotated[Path, typer.Option(help="The folder to put it in.")] = Path("data"),
) -> None:
    """Download a data set from its publisher, or say where it is to be had."""
    from shortstack.fetching import fetch as download
    from shortstack.progress import ToConsole

    descriptor: Any = Registry.from_environment().find("dataset", name).descriptor
    if edition is None or not descriptor.downloads:
        for one, offer in descriptor.downloads.items():
            echo(f"{one}: {offer.url}")
        echo(descriptor.elsewhere or f"{name} has its data from you: give a file of your own as the source")
        return
    if edition not in descriptor.downloads:
        raise UnknownNameError(f"edition of {name}", edition, descriptor.downloads)
    offer = descriptor.downloads[edition]
    echo(f"licence: {offer.licence}")
    echo(f"from: {offer.url}")
    path = download(offer, to, ToConsole(Console()))
    checked = "as published" if offer.md5 or offer.md5_url else "the publisher gives no checksum to compare with"
    echo(f"{path} ({path.stat().st_size:,} bytes, {checked}); look into it: shortstack data inspect {name} {path}")


def _rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the label and text of each row, the most asked-for first."""
    tied = found["tied_consecutive_share"]
    skipped = found["skipped"]
    rows = [
        ("edition", ", ".join([found["edition"], *(f"{key}: {value}" for key, value in found["facts"].items())])),
        ("users", f"{found['users']:,}"),
        (
            "items",
            f"{found['items']:,} ({found['listed_items']:,} described, {found['titled_share']:.1%} with a title)",
        ),
        ("interactions", f"{found['interactions']:,} ({found['density']:.3%} of all pairs)"),
        ("ratings", ", ".join(f"{key}: {value:,}" for key, value in found["ratings"].items()) or "none"),
        ("first, last", f"{found['first']}, {found['last']}" if found["first"] else "no times"),
        ("repeated pairs", f"{found['duplicate_pairs']:,}"),
        ("tied in time", "unknown" if tied is None else f"{tied:.1%} of consecutive interactions"),
        ("bad rows skipped", f"{skipped['rows']:,}"),
        *(("", example) for example in skipped["examples"]),
        *(("remark", remark) for remark in found["remarks"]),
    ]
    if "prepared" in found:
        left = found["prepared"]
        rows.append(
            (
                "filters leave",
                f"{left['users']:,} users, {left['items']:,} items, {left['interactions']:,} interactions",
            )
        )
    if "split" in found:
        parts = dict(found["split"])
        name = parts.pop("name")
        rows.append((f"{name} gives", ", ".join(f"{part}: {count:,}" for part, count in parts.items())))
    return rows + [(label, found[key]) for key, label in _PROBLEMS.items() if key in found]


_PROBLEMS = {"nothing_left": "filters leave", "no_split": "split"}
