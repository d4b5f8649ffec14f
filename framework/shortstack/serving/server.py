"""The process: a socket, a server, and a stop that lets none of its requests fall."""

import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from math import ceil
from typing import TYPE_CHECKING, Final

from shortstack.errors import ConfigurationError
from shortstack.posix import allow_files

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from shortstack.serving.limits import Limits


_BACKLOG: Final = 256
"""Connections that wait to be accepted; they are accepted together, so that a few times so many are open beyond the limit."""


def require_serving() -> None:
    """Raise if a package of the service is missing.

    Raises:
        ConfigurationError: fastapi or uvicorn is not installed.
    """
    if any(find_spec(package) is None for package in ("fastapi", "uvicorn")):
        raise ConfigurationError("shortstack serve needs the extra 'serve': pip install 'shortstack[serve]'")


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket at an address, which does not listen yet.

    Raises:
        ConfigurationError: The address is in use, is not this machine's, or may not be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with ExitStack() as closing:
            bound = closing.enter_context(socket.socket(family, kind, protocol))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left may be taken
            bound.bind(address)
            closing.pop_all()
    except (OSError, UnicodeError) as error:  # the second: of a name that no host can have
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"cannot listen at {host or repr(host)}, port {port}: {reason}; choose others with --host and --port"
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Return the URL of a socket's address."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: "ASGIApp", bound: socket.socket, limits: "Limits", started: Callable[[], None]) -> None:
    """Answer requests until SIGTERM or Ctrl-C, and those that came before it.

    Args:
        app: What ``create_app`` made.
        bound: The socket.
        limits: Its ``connections`` and ``timeout_s`` count.
        started: Called when the socket listens.
    """
    import uvicorn

    from shortstack.serving.connections import timed_connections

    _log_json_lines()
    allow_files(limits.connections + 4 * _BACKLOG)
    config = uvicorn.Config(
        app,
        http=timed_connections(limits.timeout_s, limits.connections),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        # a body may take as long as a time-out, and its answer too
        timeout_graceful_shutdown=ceil(2 * limits.timeout_s) + 1,
    )

    class _Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

    with _sigterm_is_no_failure():
        _Server(config).run(sockets=[bound])


@contextmanager
def _sigterm_is_no_failure() -> Iterator[None]:
    """Inside, SIGTERM, which uvicorn raises once more when all is answered, ends nothing."""
    former = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _log_json_lines() -> None:
    from shortstack.serving.observation import LOGGER, JsonLines

    lines = logging.StreamHandler()
    lines.setFormatter(JsonLines())
    for logger in (LOGGER, logging.getLogger("uvicorn.error"), logging.getLogger("asyncio")):
        logger.handlers, logger.propagate = [lines], False
        logger.setLevel(logging.INFO)
