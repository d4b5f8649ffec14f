"""All commands, and how their errors are printed: thin, and free of torch until a run starts."""

import io
import logging
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from shortstack.cli.audit import audit
from shortstack.cli.check import check
from shortstack.cli.common_options import TALKATIVE, Invocation, with_common_options
from shortstack.cli.compare import compare
from shortstack.cli.data import app as data_app
from shortstack.cli.exit_codes import ExitCode
from shortstack.cli.export import export
from shortstack.cli.init import init
from shortstack.cli.list_components import list_components
from shortstack.cli.merge import merge
from shortstack.cli.new import new
from shortstack.cli.options import echo, plain, say
from shortstack.cli.plan import plan
from shortstack.cli.plugins import plugins
from shortstack.cli.push import push
from shortstack.cli.recommend import recommend
from shortstack.cli.registration import register
from shortstack.cli.run import run
from shortstack.cli.score import score
from shortstack.cli.serve import serve
from shortstack.cli.show import show
from shortstack.cli.study import study, study_status
from shortstack.cli.study_report import study_report
from shortstack.errors import OtherProcessError, ShortstackError
from shortstack.full_disk import full_disks_named
from shortstack.registry.isolation import error_message, format_error
from shortstack.version import __version__

app = typer.Typer(
    name="shortstack",
    help="Make large transformer recommenders small: measure layers, keep the ones that matter, distil, and prove it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

PROGRAM: Final = "shortstack"
USAGE_ERROR: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""Base class of errors in a command line, which typer does not name in public."""


def run_command(arguments: Sequence[str]) -> None:
    """Run a command; an error of shortstack's own is printed in one line, with exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal's encoding may lack a character of a title
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    invocation = Invocation(arguments=list(map(_with_home, arguments)))
    try:
        with full_disks_named(Path(), "the output", tries=False):
            code = app(args=invocation.arguments, prog_name=PROGRAM, standalone_mode=False, obj=invocation)
            sys.exit(code or ExitCode.DONE)
    except OtherProcessError as error:
        if not error.reported:
            say(_one_line(error))
        sys.exit(ExitCode.REFUSED)
    except ShortstackError as error:
        _show_traceback(error, shown=invocation.traceback)
        say(_one_line(error))
        sys.exit(ExitCode.REFUSED)
    except USAGE_ERROR as error:
        _show_usage(error)
        sys.exit(ExitCode.REFUSED)
    except typer.Abort:  # Ctrl-C, or the end of the input, where a question is answered
        sys.exit(ExitCode.INTERRUPTED)
    except OSError as error:
        _show_traceback(error, shown=invocation.traceback)
        say(f"error: {error.strerror or error}: {plain(error.filename or 'no file named')}")
        sys.exit(ExitCode.REFUSED)


def _with_home(argument: str) -> str:
    """Return an argument in which ``--out=~/x`` names the home folder, as shells expand it in ``--out ~/x`` alone."""
    option, separator, value = argument.partition("=")
    begins = option.startswith("--") and value.startswith("~/")
    return f"{option}{separator}{Path(value).expanduser()}" if begins else argument


def _show_traceback(error: Exception, *, shown: bool) -> None:
    if shown:
        say("".join(traceback.format_exception(error)))


def _show_usage(error: Any) -> None:
    """Print an error of the command line in one line, with the command whose help says more."""
    text = " ".join(error.format_message().split())
    if text:  # a command without arguments has printed its help, and that is all
        said = error.ctx.command_path if error.ctx else PROGRAM
        say(f"error: {plain(text)}{'' if text.endswith(('.', '?')) else '.'} See {said} --help")


def _one_line(error: ShortstackError) -> str:
    """Return an error in one line: its message, its cause if that says more, and its notes."""
    cause = error.__cause__
    text = " ".join(str(error).split())
    more = "" if cause is None or error_message(cause) in text else f" (caused by {format_error(cause)})"
    # each part by itself, since ``plain`` leaves out the middle of a very long text
    return "; ".join(plain(part) for part in (f"error: {text}{more}", *getattr(error, "__notes__", ())))


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"shortstack {__version__}")
        raise typer.Exit


@app.callback()
@with_common_options
def _root(
    *,
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make large transformer recommenders small: measure layers, keep the ones that matter, distil, and prove it."""


for command in (
    init,
    run,
    study,
    study_status,
    study_report,
    compare,
    plan,
    audit,
    recommend,
    serve,
    push,
    export,
    score,
    merge,
    plugins,
    show,
    new,
    check,
):
    register(app, command)
register(app, list_components, "list")
app.add_typer(data_app)
