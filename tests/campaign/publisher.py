"""A publisher in this process that sends given bytes, whatever it is asked."""

import contextlib
import socket
import threading
from collections.abc import Iterator

ADAPTER, EDITION = "movielens", "attacked"


@contextlib.contextmanager
def published(answers: tuple[bytes, ...]) -> Iterator[None]:
    """Let an adapter offer one more edition, which this publisher sends: one answer a connection, then no more.

    ``{port}`` in an answer becomes the publisher's own, so that it may send elsewhere.
    """
    if not answers:
        yield
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, answers), daemon=True).start()
        _offer(server.getsockname()[1])
        yield


def _offer(port: int) -> None:
    from shortstack.contracts import Download
    from shortstack.registry import Registry

    descriptor = Registry.from_environment().find("dataset", ADAPTER).descriptor
    url = f"http://127.0.0.1:{port}"
    descriptor.downloads[EDITION] = Download(url=f"{url}/a.zip", md5_url=f"{url}/sum", licence="for tests")


def _serve(server: socket.socket, answers: tuple[bytes, ...]) -> None:
    port = str(server.getsockname()[1]).encode()
    for answer in answers:
        try:
            connection, _ = server.accept()
        except OSError:  # the command has ended, and the publisher with it
            return
        with connection, contextlib.suppress(OSError):  # whoever asked may have left
            connection.recv(1 << 16)
            connection.sendall(answer.replace(b"{port}", port))
    server.close()
