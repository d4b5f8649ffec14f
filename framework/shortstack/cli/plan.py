"""``shortstack plan``: the students that budgets allow, and the cost of a run's stages."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
import typer
from rich.console import Console

from shortstack.cli.common_options import progress_console
from shortstack.cli.completion import components
from shortstack.cli.options import Json, echo_json, say, warn_of_mixture
from shortstack.config.resolve import no_imports_by_name
from shortstack.registry import Registry
from shortstack.terminal_text import visible

if TYPE_CHECKING:
    from shortstack.cli.plan_report import PlanReport


Budgets = Annotated[
    list[str] | None,
    typer.Option("--budget", help="name=amount: layers=8, params=25%, body=35M, bytes=2G, cache=50%. May be repeated."),
]
Architecture = Annotated[
    str | None, typer.Option(help="A student architecture's name.", autocompletion=components("student"))
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="One of its settings: setting=value; of a TOML file, as in run: table.setting=value. May be repeated.",
    ),
]
Tflops = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        help="What the training of the machine that a run is for reaches in bfloat16; by default this machine is timed.",
    ),
]


def plan(  # noqa: PLR0917 -- typer makes options of them
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="A model's folder, a config.json, or a run's TOML file or folder.")],
    budgets: Budgets = None,
    architecture: Architecture = None,
    overrides: Overrides = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; by default the config's, or a run's: float32.")
    ] = None,
    vocabulary: Annotated[
        int | None, typer.Option(min=1, help="Items, for a teacher that is yet to learn them.")
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Users, where a run's data are not here.")] = None,
    tflops: Tflops = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that share a run's work; memory is that of each.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The config of a run's teacher, where that is not here.")] = None,
    as_json: Json = False,
) -> None:
    """Plan students from a config alone: what would each budget leave? Of a run: what will each stage take?

    Example:
        shortstack plan MODEL --budget layers=8 --budget params=25%
    """
    from shortstack.cli.plan_report import PlanRequest, is_run

    warn_of_mixture(source)
    of_run = is_run(source)
    request = PlanRequest(
        source=source,
        budgets=budgets or (),
        architecture=architecture,
        overrides=overrides or (),
        dtype=dtype,
        vocabulary=vocabulary,
        users=users,
        tflops=tflops,
        processes=processes,
        model=model,
    )
    # on standard error: standard output may be read as JSON
    status = progress_console(context, stderr=True).status(
        "timing a few layers" if of_run and tflops is None else "counting"
    )
    with status, no_imports_by_name() if source.is_dir() else nullcontext():
        report = request.answer(Registry.from_environment())
    if as_json:
        _print_json(report, of_run=of_run)
    else:
        _show_plan(Console(), report)


def _print_json(report: "PlanReport", *, of_run: bool) -> None:
    """Print the budgets; of a run with its stages and notes, which are on standard error otherwise."""
    rows = [row.to_json() for row in report.rows]
    stages = [attrs.asdict(stage) for stage in report.stages]
    echo_json({"budgets": rows, "stages": stages, "notes": list(report.notes)} if of_run else rows)
    for note in () if of_run else report.notes:
        say(note)


def _show_plan(console: Console, report: "PlanReport") -> None:
    from shortstack.cli.plan_report import stages_table, table

    console.print(table(report.rows))
    if report.stages:
        console.print(stages_table(report.stages))
    for note in report.notes:
        console.print(visible(note, lines=True), highlight=False, markup=False)
