"""``shortstack serve``: a recommender behind HTTP."""

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from shortstack.cli.completion import device as device_word
from shortstack.cli.options import device_of, echo, say, student_of, warn_of_mixture
from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.run_layout import STUDENT, TEACHER

if TYPE_CHECKING:
    from shortstack.serving.loaded import Served

TOKEN: Final = "SHORTSTACK_TOKEN"  # noqa: S105 -- the name of a variable
"""Environment variable of the bearer token."""


def serve(  # noqa: PLR0917 -- typer makes options of them
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a student's.")],
    host: Annotated[str, typer.Option(help="The address to listen at; by default this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", autocompletion=device_word)] = "cpu",
    workers: Annotated[int, typer.Option(min=1, help="Batches that are computed at the same time.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Histories computed together; 1 computes each alone.")] = 32,
    window_ms: Annotated[float, typer.Option(help="Milliseconds that a history waits for others.")] = 2.0,
    timeout: Annotated[float, typer.Option(help="Seconds for a body to arrive, and then for its answer.")] = 10.0,
    token_file: Annotated[
        Path | None, typer.Option(help=f"A file with the token that clients must send; or set {TOKEN}.")
    ] = None,
    no_teacher: Annotated[
        bool, typer.Option("--no-teacher", help="Serve a run's student alone, without the teacher to compare it with.")
    ] = False,
) -> None:
    """Serve a recommender over HTTP.

    Example:
        shortstack serve runs/quickstart --port 8000
    """
    from shortstack.serving.server import address_of, bound_socket, require_serving

    require_serving()
    from shortstack.serving.app import create_app
    from shortstack.serving.limits import Limits
    from shortstack.serving.loaded import Served
    from shortstack.serving.server import serve as run_server

    limits = Limits(batch=batch, window_ms=window_ms, timeout_s=timeout)
    token, place = _token(token_file), device_of(device)
    warn_of_mixture(folder)
    student = student_of(folder)
    with bound_socket(host, port) as bound:  # before the model is read, which may take long
        if token is None and not ipaddress.ip_address(bound.getsockname()[0]).is_loopback:
            say(f"warning: anyone who reaches {address_of(bound)} may use it; set {TOKEN} or --token-file")
        served = Served.load(student, place)
        teacher = None if no_teacher else _teacher(folder, place)
        beside = f", with {folder / TEACHER}," if teacher else ""
        app = create_app(served, teacher=teacher, limits=limits, workers=workers, token=token)
        run_server(app, bound, limits, lambda: echo(f"{student}{beside} is served at {address_of(bound)}"))


def _teacher(folder: Path, device: str) -> "Served | None":
    """Return the teacher of a run's folder; None if there is none, or it is another folder."""
    from shortstack.recommender_folder import FILE
    from shortstack.serving.loaded import Served

    has_both = all((folder / name / FILE).is_file() for name in (STUDENT, TEACHER))
    return Served.load(folder / TEACHER, device) if has_both else None


def _token(file: Path | None) -> str | None:
    """Return the bearer token of a file, or else of the environment; None if there is neither.

    Raises:
        SourceNotFoundError: There is no such file.
        ConfigurationError: The token is empty, or cannot stand in a header.
    """
    if file is not None and not file.is_file():
        state = "is no file" if file.exists() else "is not there"
        raise SourceNotFoundError(f"{file} {state}; --token-file names a file with the token")
    token = os.environ.get(TOKEN) if file is None else file.read_text(encoding="utf-8", errors="replace").strip()
    if token is not None and not (token.isascii() and token.isprintable() and token and " " not in token):
        raise ConfigurationError(f"the token of {file or TOKEN} is not printable ASCII without spaces; choose another")
    return token
