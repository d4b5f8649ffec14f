"""The command line: thin, and free of torch until a run starts."""

import io
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from shortstack.cli.audit import audit
from shortstack.cli.check import check
from shortstack.cli.data import app as data_app
from shortstack.cli.list_components import list_components
from shortstack.cli.merge import merge
from shortstack.cli.new import new
from shortstack.cli.options import echo, plain, say
from shortstack.cli.plan import plan
from shortstack.cli.plugins import plugins
from shortstack.cli.recommend import recommend
from shortstack.cli.run import run
from shortstack.cli.score import score
from shortstack.cli.show import show
from shortstack.errors import ShortstackError
from shortstack.registry.isolation import error_message, format_error
from shortstack.version import __version__

app = typer.Typer(
    name="shortstack",
    help="Make large transformer recommenders small: measure layers, keep the ones that matter, distil, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

TRACEBACK = "--traceback"
INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""

app.add_typer(data_app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error of shortstack's own is printed in one line, with exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal's encoding may lack a character of a title
    command, with_traceback = _without_traceback(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=[_with_home(argument) for argument in command], prog_name="shortstack")
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


def _with_home(argument: str) -> str:
    """Return an argument in which ``--out=~/x`` names the home folder, as shells expand it in ``--out ~/x`` alone."""
    option, separator, value = argument.partition("=")
    begins = option.startswith("--") and value.startswith("~/")
    return f"{option}{separator}{Path(value).expanduser()}" if begins else argument


def _without_traceback(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Return the arguments without ``--traceback``, which may stand anywhere, and True if it was among them.

    ``plugins`` has its own option of that name, for the errors that it lists, so its arguments are left alone.
    """
    given_arguments = list(arguments)
    options = given_arguments[: given_arguments.index("--")] if "--" in given_arguments else given_arguments
    if TRACEBACK not in options or options[:1] == ["plugins"]:
        return given_arguments, False
    return [*(option for option in options if option != TRACEBACK), *given_arguments[len(options) :]], True


def _show_traceback(error: Exception, *, shown: bool) -> None:
    if shown:
        say("".join(traceback.format_exception(error)))


def _one_line(error: ShortstackError) -> str:
    """Return an error in one line: its message, its cause if that says more, and its notes."""
    cause = error.__cause__
    text = " ".join(str(error).split())
    more = "" if cause is None or error_message(cause) in text else f" (caused by {format_error(cause)})"
    return plain("; ".join([f"error: {text}{more}", *getattr(error, "__notes__", ())]))


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"shortstack {__version__}")
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


for command in (run, plan, audit, recommend, score, merge, plugins, show, new, check):
    app.command()(command)
app.command("list")(list_components)
