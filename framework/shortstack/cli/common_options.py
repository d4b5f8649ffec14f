"""Options of every command: how much is printed besides its results, and where in the code an error arose."""

import functools
import inspect
import logging
import os
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, cast

import attrs
import typer
from rich.console import Console

TALKATIVE: Final = ("torchao", "torch.utils._pytree")
"""Loggers that warn when transformers imports torchao, where that is installed, of kernels for devices that are not there."""
_VERBOSITIES: Final = ("TRANSFORMERS_VERBOSITY", "DATASETS_VERBOSITY", "HF_HUB_VERBOSITY")
"""Environment variables of libraries that set the levels of their own loggers when they are imported."""
_PANEL: Final = "Options of every command"


class LogLevel(StrEnum):
    """Least level of the log lines that are shown."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"
    critical = "critical"


@attrs.define(kw_only=True)
class Invocation:
    """One call of the command line, which typer's contexts hold as ``obj``.

    Attributes:
        arguments: Its arguments, for other processes that do the same command.
        quiet: Whether progress is silent.
        traceback: Whether an error is shown with the place in the code where it arose.
    """

    arguments: Sequence[str]
    quiet: bool = False
    traceback: bool = False


def progress_console(context: typer.Context, *, stderr: bool = False) -> Console:
    """Return the console for progress, which prints nothing where ``--quiet`` is given."""
    return Console(stderr=stderr, quiet=context.find_root().obj.quiet)


def _be_quiet(context: typer.Context, value: bool) -> None:
    if value and not context.resilient_parsing:
        context.find_root().obj.quiet = True


def _show_tracebacks(context: typer.Context, value: bool) -> None:
    if value and not context.resilient_parsing:
        context.find_root().obj.traceback = True


def _log_from(context: typer.Context, value: LogLevel | None) -> None:
    """Print log lines of this level and above, of all libraries, on standard error."""
    if value is None or context.resilient_parsing:
        return
    logging.basicConfig(level=value.upper(), format="%(levelname)s %(name)s: %(message)s", force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.NOTSET)
    for name in _VERBOSITIES:
        os.environ[name] = value


def _common(
    *,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            callback=_be_quiet,
            rich_help_panel=_PANEL,
            help="No progress: print results, warnings and errors alone.",
        ),
    ] = False,
    log_level: Annotated[
        LogLevel | None,
        typer.Option(
            callback=_log_from,
            rich_help_panel=_PANEL,
            help="Print log lines of this level and above; by default warnings.",
        ),
    ] = None,
    traceback: Annotated[
        bool,
        typer.Option(
            "--traceback",
            callback=_show_tracebacks,
            rich_help_panel=_PANEL,
            help="Also show where in the code an error arose.",
        ),
    ] = False,
) -> None:
    """Declare the options."""


def with_common_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, or a group of commands, the options of every command; their callbacks act, the function gets none."""
    own, common = inspect.signature(command), inspect.signature(_common)

    @functools.wraps(command)
    def declared(**options: Any) -> None:
        command(**{name: value for name, value in options.items() if name not in common.parameters})

    declared.__annotations__ = {**command.__annotations__, **_common.__annotations__}
    parameters = [*own.parameters.values(), *common.parameters.values()]
    cast("Any", declared).__signature__ = own.replace(parameters=parameters)
    return declared
