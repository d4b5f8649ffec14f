"""Options shared by several commands, and messages beside their output."""

import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.run_layout import RUN, STUDENT
from shortstack.terminal_text import visible, visible_json

_LONGEST: Final = 2_000
"""Characters of a message; the beginning of a longer one says where, its end what to do."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def say(text: str) -> None:
    """A line on standard error, which no program reads."""
    print(visible(text, lines=True), file=sys.stderr)  # noqa: T201 -- the one place that does


def echo(text: object) -> None:
    """Lines on standard output, for people."""
    typer.echo(visible(text, lines=True))


def echo_json(value: object) -> None:
    """JSON on standard output, for programs: exact, and nothing in it reaches a terminal as a command."""
    typer.echo(visible_json(json.dumps(value, indent=2, ensure_ascii=False)))


def cell(text: object) -> str:
    """A text for a table of rich, as it is: neither markup nor a command to the terminal."""
    return escape(visible(text))


def plain(text: object) -> str:
    """Return a text in one line, with single spaces; of a very long one, which repeats a very long value, both ends."""
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 2 :]}"


def warn_of_mixture(folder: Path) -> None:
    """Warn if a run's folder, or the run that holds the folder, mixes results of different settings."""
    from shortstack.pipeline.provenance import mixture

    warning = mixture(folder) or mixture(folder.resolve().parent)
    if warning:
        say(f"warning: {warning}")


def student_of(folder: Path) -> Path:
    """Return the folder of a run's student, or the folder itself.

    Raises:
        SourceNotFoundError: It is a run without a student.
    """
    student = folder / STUDENT if (folder / STUDENT).is_dir() else folder
    if student == folder and (folder / RUN).is_file():
        raise SourceNotFoundError(
            f"the run in {folder} has no student yet; shortstack run with its settings goes on with it"
        )
    return student


def device_of(name: str) -> str:
    """Return the device that a name means.

    Raises:
        ConfigurationError: It is none, or is not here.
    """
    import torch

    known = ("auto", "cpu", "cuda")
    if name not in known:
        raise ConfigurationError(f"--device is {', '.join(known)}, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("--device cuda: this machine has no CUDA device; use cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
