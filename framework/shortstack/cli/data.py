"""``shortstack data``: inspect and download data sets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shortstack.cli.common_options import progress_console, with_common_options
from shortstack.cli.completion import built_in_names, components, edition_of_data, words
from shortstack.cli.options import Json, cell, echo, echo_json
from shortstack.cli.registration import register
from shortstack.config.overrides import overridden
from shortstack.errors import UnknownNameError
from shortstack.registry import Registry
from shortstack.registry.isolation import plugin_errors

app = typer.Typer(name="data", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(help="A dataset adapter: shortstack list datasets.", autocompletion=components("dataset"))
]


def inspect(  # noqa: PLR0917 -- typer makes options of them
    name: Name,
    source: Annotated[str, typer.Argument(help="A folder, file or archive.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One of the adapter's settings: setting=value. May be repeated.")
    ] = None,
    core: Annotated[int, typer.Option(min=0, help="The k-core to try; 0 keeps everything.")] = 5,
    split: Annotated[
        str, typer.Option(help="The split to try.", autocompletion=built_in_names("split"))
    ] = "leave-last",
    order: Annotated[
        str, typer.Option(help="By 'time', or as in the 'file'.", autocompletion=words("time", "file"))
    ] = "time",
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave bad rows out, count them, and show the first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Inspect a data set: its edition, sizes, times and repeats, and what a k-core and a split would leave.

    Example:
        shortstack data inspect table ratings.csv --set user=customer
    """
    from shortstack.data.inspection import inspected
    from shortstack.data.splits import check_order, named_split

    check_order(named_split(split), order)
    registry = Registry.from_environment()
    component = registry.find("dataset", name)
    overrides = overridden({}, settings or (), {(): lambda: component.descriptor.config})
    if skip_bad_rows:
        overrides["skip_bad_rows"] = True
    adapter = registry.build("dataset", name, overrides)
    with plugin_errors(component):
        facts = inspected(adapter.read(source), split=split, core=core, order=order)
    if as_json:
        echo_json(facts)
        return
    Console().print(facts_table(facts))


def fetch(
    context: typer.Context,
    name: Name,
    edition: Annotated[
        str | None,
        typer.Argument(help="Which edition; leave it out to see which there are.", autocompletion=edition_of_data),
    ] = None,
    to: Annotated[Path, typer.Option(help="The folder to put it in.")] = Path("data"),
) -> None:
    """Download a data set from its publisher, or say where it is to be had.

    Example:
        shortstack data fetch movielens ml-1m --to data/movielens
    """
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
    path = download(offer, to, ToConsole(progress_console(context)))
    checked = "as published" if offer.md5 or offer.md5_url else "the publisher gives no checksum to compare with"
    echo(f"{path} ({path.stat().st_size:,} bytes, {checked}); look into it: shortstack data inspect {name} {path}")


def facts_table(inspection: Mapping[str, Any]) -> Table:
    """Return what is in a data set as a table, the most important first."""
    table = Table(show_header=False)
    for row, value in _rows(inspection):
        table.add_row(row, cell(value))
    return table


def _rows(inspection: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the label and text of each row, the most important first."""
    tied = inspection["tied_consecutive_share"]
    skipped = inspection["skipped"]
    rows = [
        (
            "edition",
            ", ".join([inspection["edition"], *(f"{key}: {value}" for key, value in inspection["facts"].items())]),
        ),
        ("users", f"{inspection['users']:,}"),
        (
            "items",
            f"{inspection['items']:,} ({inspection['listed_items']:,} described, {inspection['titled_share']:.1%} with a title)",
        ),
        ("interactions", f"{inspection['interactions']:,} ({inspection['density']:.3%} of all pairs)"),
        ("ratings", ", ".join(f"{key}: {value:,}" for key, value in inspection["ratings"].items()) or "none"),
        ("first, last", f"{inspection['first']}, {inspection['last']}" if inspection["first"] else "no times"),
        ("repeated pairs", f"{inspection['duplicate_pairs']:,}"),
        ("tied in time", "unknown" if tied is None else f"{tied:.1%} of consecutive interactions"),
        ("bad rows skipped", f"{skipped['rows']:,}"),
        *(("", example) for example in skipped["examples"]),
        *(("remark", remark) for remark in inspection["remarks"]),
    ]
    if "prepared" in inspection:
        left = inspection["prepared"]
        rows.append(
            (
                "filters leave",
                f"{left['users']:,} users, {left['items']:,} items, {left['interactions']:,} interactions",
            )
        )
    if "split" in inspection:
        parts = dict(inspection["split"])
        name = parts.pop("name")
        rows.append((f"{name} gives", ", ".join(f"{part}: {count:,}" for part, count in parts.items())))
    return rows + [(label, inspection[key]) for key, label in _PROBLEMS.items() if key in inspection]


_PROBLEMS = {"nothing_left": "filters leave", "no_split": "split"}


@app.callback()
@with_common_options
def _data() -> None:
    """Look into a data set, or download one."""


register(app, inspect)
register(app, fetch)
