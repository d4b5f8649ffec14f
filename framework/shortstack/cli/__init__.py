"""The command line; its commands are imported when it runs, so that Ctrl-C is heard from the first moment."""

import sys
from collections.abc import Sequence

from shortstack.cli.exit_codes import ExitCode


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; after Ctrl-C, say in one line how to go on."""
    _require_docstrings()
    try:
        from shortstack.cli.commands import run_command

        run_command(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # while commands are imported; typer turns later ones into an exit
        _stop()
    except SystemExit as end:
        if end.code == ExitCode.INTERRUPTED:
            _stop()
        raise


def _require_docstrings() -> None:
    """End at once where Python strips docstrings: transformers reads those of its own classes, and cannot be imported."""
    if sys.flags.optimize > 1:
        sys.stderr.write(
            "error: python -OO and PYTHONOPTIMIZE=2 strip the docstrings that transformers needs; use -O, or neither\n"
        )
        sys.exit(ExitCode.REFUSED)


def _stop() -> None:
    sys.stderr.write("stopped; the same command goes on from here\n")
    sys.exit(ExitCode.INTERRUPTED)
