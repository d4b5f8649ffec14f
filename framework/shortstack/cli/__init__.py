"""The command line: thin, and free of torch until a run starts."""

import io
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shortstack import __version__
from shortstack.blame import message, told
from shortstack.cli.data import app as data_app
from shortstack.cli.options import Json
from shortstack.errors import ConfigurationError, ShortstackError, UnknownNameError
from shortstack.files import read_json
from shortstack.registry import KINDS, Component, Kind, Registry
from shortstack.settings import describe_settings, overridden, structure

if TYPE_CHECKING:
    from shortstack.planning.asked import Answer
    from shortstack.result import RunResult

app = typer.Typer(
    name="shortstack",
    help="Make large transformer recommenders small: measure layers, keep the ones that matter, distil, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""

app.add_typer(data_app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error of ours is one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title must not end a run on a terminal that lacks a letter
    try:
        app(args=None if arguments is None else list(arguments), prog_name="shortstack")
    except ShortstackError as error:
        _say(_one_line(error))
        sys.exit(2)
    except OSError as error:
        _say(f"error: {error.strerror or error}: {error.filename or 'no file named'}")
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _say("stopped; the same command goes on from here")
        raise


def _one_line(error: ShortstackError) -> str:
    """The message, with the cause if it says more, and what else is known."""
    cause = error.__cause__
    text = " ".join(str(error).split())
    more = "" if cause is None or message(cause) in text else f" (caused by {told(cause)})"
    return _plain("; ".join([f"error: {text}{more}", *getattr(error, "__notes__", ())]))


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 -- the one place that does


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"shortstack {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make large transformer recommenders small: measure layers, keep the ones that matter, distil, and prove it."""


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="The run's TOML file, for example examples/quickstart.toml.")],
    out: Annotated[Path, typer.Option(help="The folder for results; the same folder resumes.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting: table.setting=value (or none). May be repeated."),
    ] = None,
    prepare: Annotated[bool, typer.Option("--prepare", help="Do the data stage alone.")] = False,
) -> None:
    """Do a run: data, teacher, importance, selection, student, distillation, evaluation, report."""
    from shortstack.progress import ToConsole
    from shortstack.run import Run

    console, asked = Console(), Run.from_toml(config, overrides or ())
    if prepare:
        asked.prepare(out, progress=ToConsole(console))
    else:
        _show_result(console, asked.execute(out, progress=ToConsole(console)), out)


@app.command()
def plan(  # noqa: PLR0917 -- typer makes options of them
    source: Annotated[Path, typer.Argument(help="A model's folder, a config.json, or a run's TOML file.")],
    budgets: Annotated[
        list[str] | None,
        typer.Option(
            "--budget", help="name=amount: layers=8, params=25%, body=35M, bytes=2G, cache=50%. May be repeated."
        ),
    ] = None,
    architecture: Annotated[str | None, typer.Option(help="A student architecture's name.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="One of its settings: setting=value; of a TOML file, as in run: table.setting=value. May be repeated.",
        ),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; by default the config's, or a run's: float32.")
    ] = None,
    vocabulary: Annotated[
        int | None, typer.Option(min=1, help="Items, for a teacher that is yet to learn them.")
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Users, where a run's data are not here.")] = None,
    tflops: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="What the training of the machine that a run is for reaches in bfloat16; by default this machine is timed.",
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The config of a run's teacher, where that is not here.")] = None,
    as_json: Json = False,
) -> None:
    """Plan students from a config alone: what would each budget leave? Of a run: what will each stage take?"""
    from shortstack.planning.asked import Asked

    is_run = source.suffix == ".toml"
    asked = Asked(
        source=source,
        budgets=budgets or (),
        architecture=architecture,
        settings={} if is_run else overridden({}, overrides or ()),
        overrides=overrides or () if is_run else (),
        dtype=dtype,
        vocabulary=vocabulary,
        users=users,
        tflops=tflops,
        model=model,
    )
    with Console(stderr=True).status("timing a few layers" if is_run and tflops is None else "counting"):
        found = asked.answer(Registry.from_environment())
    if as_json:
        rows = [row.to_json() for row in found.rows]
        stages = [attrs.asdict(stage) for stage in found.stages]
        told = {"budgets": rows, "stages": stages, "notes": list(found.notes)} if is_run else rows
        typer.echo(json.dumps(told, indent=2))
    else:
        _show_plan(Console(), found)


def _show_plan(console: Console, found: "Answer") -> None:
    from shortstack.planning.asked import stages_table, table

    console.print(table(found.rows))
    if found.stages:
        console.print(stages_table(found.stages))
    for note in found.notes:
        console.print(note, highlight=False, markup=False)


@app.command()
def audit(
    folder: Annotated[Path, typer.Argument(help="A run's folder.")],
    as_json: Json = False,
) -> None:
    """Audit a run's scorers: how far do they agree with the oracle, and what does the choice of each cost?"""
    from shortstack.progress import Silent, ToConsole
    from shortstack.report import audit_table
    from shortstack.run import Run

    console = Console()
    result = Run.of_folder(folder).audit(folder, progress=Silent() if as_json else ToConsole(console))
    if as_json:
        typer.echo(json.dumps(result.audit, indent=2))
        return
    console.print(audit_table(result))
    console.print(f"report: {folder / 'report.html'}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def recommend(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a student's.")],
    history: Annotated[list[str], typer.Option(help="An item's title or id, oldest first. Repeat for more.")],
    top: Annotated[int, typer.Option(min=1, help="How many items to recommend.")] = 10,
    as_json: Json = False,
) -> None:
    """Recommend the next items after a history."""
    from shortstack.students.compact import CompactStudentModel

    student = folder / "student" if (folder / "student").is_dir() else folder
    found = CompactStudentModel.from_pretrained(student).recommend(history, k=top)
    if as_json:
        typer.echo(json.dumps([{"id": r.id, "title": r.title, "score": r.score} for r in found], ensure_ascii=False))
        return
    table = Table("rank", "title", "id", "log-probability")
    for rank, item in enumerate(found, start=1):
        table.add_row(str(rank), escape(item.title), escape(item.id), f"{item.score:.3f}")
    Console().print(table)


@app.command()
def score(  # noqa: PLR0917 -- typer makes options of them
    model: Annotated[Path, typer.Argument(help="A folder with any stock causal language model and its tokenizer.")],
    texts: Annotated[Path, typer.Option(help='JSON lines: {"text": …} or {"prompt": …, "completion": …}.')],
    scorers: Annotated[str, typer.Option(help="Names of importance scorers, with commas between them.")],
    out: Annotated[Path, typer.Option("--json", help="The file for the scores; the same command goes on.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A scorer's setting: scorer.setting=value. May be repeated.")
    ] = None,
    longest: Annotated[int, typer.Option(min=2, help="Tokens an example has at most.")] = 512,
    batch_size: Annotated[int, typer.Option(min=1, help="Examples a batch.")] = 8,
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    shard: Annotated[str, typer.Option(help="2/4 is the second of four, for shortstack merge.")] = "1/1",
) -> None:
    """Score the layers of a language model on texts."""
    from shortstack.progress import ToConsole
    from shortstack.scoring.score import Scoring

    names = [name.strip() for name in scorers.split(",") if name.strip()]
    given = overridden({}, settings or ())
    for name in given:
        if name not in names:
            raise UnknownNameError("scorer in --set", name, names)
    asked = structure(
        Scoring,
        {
            "model": model,
            "texts": texts,
            "scorers": {name: given.get(name, {}) for name in names},
            "longest": longest,
            "batch_size": batch_size,
            "precision": precision,
            "device": device,
            "shard": _shard(shard),
        },
        "score",
    )
    written = asked.execute(out, Registry.from_environment(), ToConsole(Console()))
    if written == out:
        _show_scores(out)
    else:
        typer.echo(f"{written}: merge it with the other shards: shortstack merge {out}.*.safetensors --json {out}")


@app.command()
def merge(
    parts: Annotated[list[Path], typer.Argument(help="What shortstack score wrote for each shard.")],
    out: Annotated[Path, typer.Option("--json", help="The file for the scores.")],
) -> None:
    """Merge the shards of a scoring."""
    from shortstack.scoring.written_scores import merge_parts

    merge_parts(parts, out, Registry.from_environment())
    _show_scores(out)


def _shard(text: str) -> list[int]:
    numbers = text.split("/")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise ConfigurationError(f"--shard takes a number and how many there are, such as 2/4, got {text!r}")
    return [int(number) for number in numbers]


def _show_scores(path: Path) -> None:
    found = read_json(path)
    table = Table("layer", *found["scores"])
    for layer, values in enumerate(zip(*found["scores"].values(), strict=True)):
        table.add_row(str(layer), *(f"{value:.4g}" for value in values))
    Console().print(table)
    typer.echo(f"{found['examples']} examples, {found['seconds']:.1f} s: {path}")


@app.command()
def plugins(
    as_json: Json = False,
    with_traceback: Annotated[bool, typer.Option("--traceback", help="Show where broken plugins failed.")] = False,
    strict: Annotated[bool, typer.Option(help="Exit with code 1 if any plugin is broken.")] = False,
) -> None:
    """List the installed plugins, the broken ones too."""
    registry = Registry.from_environment()
    if as_json:
        typer.echo(json.dumps(_plugins_json(registry), indent=2))
    else:
        table = Table("plugin", "version", "offers")
        for origin in registry.origins:
            offered = [f"{c.kind} {c.descriptor.name}" for c in registry.components if c.origin == origin]
            table.add_row(origin.id, origin.version, ", ".join(offered) or "nothing")
        for failure in registry.failures:
            table.add_row(failure.origin.id, failure.origin.version, f"[red]broken[/red]: {escape(_plain(failure))}")
        for origin, text in registry.printed.items():
            table.add_row(origin.id, origin.version, f"[yellow]prints[/yellow]: {escape(_plain(text))}")
        Console().print(table)
    if with_traceback:
        for failure in registry.failures:
            typer.echo("".join(traceback.format_exception(failure.error)), err=True)
    if strict and registry.failures:
        raise typer.Exit(1)


@app.command("list")
def list_components(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    as_json: Json = False,
) -> None:
    """List the components of a kind."""
    registry = Registry.from_environment()
    chosen = [c for c in registry.components if c.kind == _kind(kind)]
    if as_json:
        typer.echo(json.dumps([_component_json(c) for c in chosen], indent=2))
        return
    table = Table("name", "summary", "from")
    for component in chosen:
        table.add_row(component.descriptor.name, escape(component.descriptor.summary), str(component.origin))
    Console().print(table)
    for failure in registry.failures:
        _say(_plain(f"a plugin is out of use and may have offered more: {failure}"))


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="A component's short or full name.")],
    as_json: Json = False,
) -> None:
    """Show one component: what it is, its settings and their defaults, and what it promises."""
    component = Registry.from_environment().find(_kind(kind), name)
    if as_json:
        typer.echo(json.dumps(_component_json(component), indent=2))
        return
    console, descriptor = Console(), component.descriptor
    console.print(f"[bold]{component.full_name}[/bold] ({component.kind}, {component.origin})", highlight=False)
    console.print(descriptor.summary, highlight=False, markup=False)
    if descriptor.reference:
        console.print(f"Source: {descriptor.reference}", highlight=False, markup=False)
    table = Table("setting", "takes", "default")
    for setting in describe_settings(descriptor.config):
        table.add_row(*(escape(setting[key]) for key in ("name", "type", "default")))
    console.print(table if table.row_count else "It has no settings.")
    table = Table("promises", "value")
    for trait, value in _traits(component).items():
        table.add_row(trait, escape(str(value)))
    console.print(table)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="The component's name: lower-case words joined by '-'.")],
    folder: Annotated[Path | None, typer.Option(help="A new or empty folder; shortstack-NAME by default.")] = None,
) -> None:
    """Write a new plugin: a distribution with a working component, its tests and its CI."""
    from shortstack.scaffold import new_plugin

    typer.echo(new_plugin(_kind(kind), name, folder).next_steps)


@app.command()
def check(  # noqa: PLR0917 -- typer makes options of them
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}, strategy.")],
    name: Annotated[str, typer.Argument(help="A component's short or full name; a strategy may be module:attribute.")],
    law: Annotated[list[str] | None, typer.Option(help="Try this law alone. May be repeated.")] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=1, help="How many examples to draw for each law; by default the law's own number, mostly 20."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other examples.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One of its settings: setting=value (or none). May be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a component against every law that its traits promise; exit code 1 if one is broken."""
    from shortstack.testing import check as check_component

    if not as_json and kind != "strategy":
        _say_which(_kind(kind), name)
    outcomes = check_component(
        name,
        kind if kind == "strategy" else _kind(kind),
        settings=overridden({}, settings or ()),
        laws=law or (),
        examples=examples,
        seed=seed,
        tell=None if as_json else typer.echo,
    )
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if as_json:
        typer.echo(json.dumps([attrs.asdict(outcome) for outcome in outcomes], indent=2))
    else:
        for outcome in failed:
            typer.echo(f"\n{outcome.failure}")
        promised = [outcome for outcome in outcomes if outcome.status != "not-promised"]
        typer.echo(f"\n{len(promised) - len(failed)} of {len(promised)} laws hold")
        if not promised:
            raise ConfigurationError(f"nothing was tried: {kind} {name!r} does not promise {', '.join(law or ())}")
    if failed:
        raise typer.Exit(1)


def _say_which(kind: Kind, name: str) -> None:
    """The component that a name means, and who else offers one of that name."""
    registry = Registry.from_environment()
    chosen = registry.find(kind, name)
    typer.echo(str(chosen))
    others = [c for c in registry.components if c.kind == kind and name in c.names and c is not chosen]
    if others:
        typer.echo(f"beside {', '.join(c.full_name for c in others)}, which only the full name means")


def _kind(text: str) -> Kind:
    for kind in KINDS:
        if text in {kind, f"{kind}s"}:
            return kind
    raise UnknownNameError("kind of component", text, KINDS)


def _component_json(component: Component) -> dict[str, Any]:
    descriptor = component.descriptor
    return {
        "name": descriptor.name,
        "full_name": component.full_name,
        "kind": component.kind,
        "summary": descriptor.summary,
        "reference": descriptor.reference,
        "plugin": component.origin.id,
        "version": component.origin.version,
        "settings": describe_settings(descriptor.config),
        "traits": _traits(component),
    }


def _traits(component: Component) -> dict[str, Any]:
    descriptor: Any = component.descriptor
    return attrs.asdict(descriptor.traits)


def _plugins_json(registry: Registry) -> dict[str, Any]:
    return {
        "plugins": [
            {
                "plugin": origin.id,
                "version": origin.version,
                "offers": [c.full_name for c in registry.components if c.origin == origin],
            }
            for origin in registry.origins
        ],
        "failures": [
            {"plugin": f.origin.id, "version": f.origin.version, "stage": f.stage, "error": _plain(f)}
            for f in registry.failures
        ],
        "printed": [
            {"plugin": origin.id, "version": origin.version, "text": text} for origin, text in registry.printed.items()
        ],
    }


def _plain(text: object) -> str:
    return " ".join(str(text).split())


def _show_result(console: Console, result: "RunResult", out: Path) -> None:
    from shortstack.report import terminal_table

    console.print(terminal_table(result))
    console.print(result.verdict, highlight=False, markup=False, soft_wrap=True)
    console.print(f"report: {out / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
