"""The command line: thin, and free of torch until a run starts."""

import io
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shortstack.cli.components import app as components_app
from shortstack.cli.data import app as data_app
from shortstack.cli.options import Json, plain, say
from shortstack.config.reader import overridden, structure
from shortstack.errors import ConfigurationError, ShortstackError, SourceNotFoundError, UnknownNameError
from shortstack.files import read_json
from shortstack.registry import Registry
from shortstack.registry.isolation import error_message, format_error
from shortstack.run_layout import RUN, STUDENT
from shortstack.version import __version__

if TYPE_CHECKING:
    from shortstack.cli.plan import PlanReport
    from shortstack.result import RunResult

app = typer.Typer(
    name="shortstack",
    help="Make large transformer recommenders small: measure layers, keep the ones that matter, distil, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

TRACEBACK = "--traceback"
INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""

app.add_typer(data_app)
app.add_typer(components_app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error of ours is one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title must not end a run on a terminal that lacks a letter
    given, with_traceback = _without_traceback(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=given, prog_name="shortstack")
    except ShortstackError as error:
        _show_traceback(error, shown=with_traceback)
        say(_one_line(error))
        sys.exit(2)
    except OSError as error:
        _show_traceback(error, shown=with_traceback)
        say(f"error: {error.strerror or error}: {error.filename or 'no file named'}")
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            say("stopped; the same command goes on from here")
        raise


def _without_traceback(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """What is left of a command without ``--traceback``, which may stand anywhere, and whether it was there.

    ``plugins`` has an option of that name, for the errors that it lists.
    """
    given = list(arguments)
    options = given[: given.index("--")] if "--" in given else given
    if TRACEBACK not in options or options[:1] == ["plugins"]:
        return given, False
    return [*(one for one in options if one != TRACEBACK), *given[len(options) :]], True


def _show_traceback(error: Exception, *, shown: bool) -> None:
    if shown:
        say("".join(traceback.format_exception(error)))


def _one_line(error: ShortstackError) -> str:
    """The message, with the cause if it says more, and what else is known."""
    cause = error.__cause__
    text = " ".join(str(error).split())
    more = "" if cause is None or error_message(cause) in text else f" (caused by {format_error(cause)})"
    return plain("; ".join([f"error: {text}{more}", *getattr(error, "__notes__", ())]))


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"shortstack {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    _traceback_asked: Annotated[
        bool, typer.Option(TRACEBACK, help="With any command: also show where in the code an error arose.")
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
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep a result of other settings that is there already, as OUT@KEY.")
    ] = False,
) -> None:
    """Do a run: data, teacher, importance, selection, student, distillation, evaluation, report."""
    from shortstack.progress import ToConsole
    from shortstack.run import Run

    console, asked = Console(), Run.from_toml(config, overrides or ())
    if prepare:
        asked.prepare(out, progress=ToConsole(console))
    else:
        _show_result(console, asked.execute(out, progress=ToConsole(console), keep=keep), out)


@app.command()
def plan(  # noqa: PLR0917 -- typer makes options of them
    source: Annotated[Path, typer.Argument(help="A model's folder, a config.json, or a run's TOML file or folder.")],
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
    from shortstack.cli.plan import PlanRequest, is_run

    _warn_of_mixture(source)
    of_run = is_run(source)
    asked = PlanRequest(
        source=source,
        budgets=budgets or (),
        architecture=architecture,
        settings={} if of_run else overridden({}, overrides or ()),
        overrides=overrides or () if of_run else (),
        dtype=dtype,
        vocabulary=vocabulary,
        users=users,
        tflops=tflops,
        model=model,
    )
    with Console(stderr=True).status("timing a few layers" if of_run and tflops is None else "counting"):
        found = asked.answer(Registry.from_environment())
    if as_json:
        rows = [row.to_json() for row in found.rows]
        stages = [attrs.asdict(stage) for stage in found.stages]
        printed = {"budgets": rows, "stages": stages, "notes": list(found.notes)} if of_run else rows
        typer.echo(json.dumps(printed, indent=2))
        for note in () if of_run else found.notes:
            say(note)
    else:
        _show_plan(Console(), found)


def _show_plan(console: Console, found: "PlanReport") -> None:
    from shortstack.cli.plan import stages_table, table

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
    _warn_of_mixture(folder)
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
    _warn_of_mixture(folder)
    student = folder / STUDENT if (folder / STUDENT).is_dir() else folder
    if student == folder and (folder / RUN).is_file():
        raise SourceNotFoundError(
            f"the run in {folder} has no student yet; shortstack run with its settings goes on with it"
        )
    found = Recommender.from_pretrained(student).recommend(
        history, k=top, exclude_seen=None if seen is None else seen == "exclude"
    )
    if as_json:
        typer.echo(json.dumps([{"id": r.id, "title": r.title, "score": r.score} for r in found], ensure_ascii=False))
        return
    table = Table("rank", "title", "id", "log-probability", caption=escape(described_settings(student)) or None)
    for rank, item in enumerate(found, start=1):
        table.add_row(str(rank), escape(item.title), escape(item.id), f"{item.score:.3f}")
    Console().print(table)


def _warn_of_mixture(folder: Path) -> None:
    """Of a run's folder, or of one in it."""
    from shortstack.pipeline.provenance import mixture

    found = mixture(folder) or mixture(folder.resolve().parent)
    if found:
        say(f"warning: {found}")


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
    from shortstack.scoring.score_file import merge_parts

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


def _show_result(console: Console, result: "RunResult", out: Path) -> None:
    from shortstack.report import speed_table, terminal_table

    console.print(terminal_table(result))
    if result.cost.get("speed"):
        console.print(speed_table(result))
    console.print(result.verdict, highlight=False, markup=False, soft_wrap=True)
    console.print(f"report: {out / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
