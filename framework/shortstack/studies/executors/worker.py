"""A process that performs stages for a study, and ends with the process that started it."""

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import attrs

from shortstack.studies.executors.sent import attempt_sent, use_threads
from shortstack.studies.folder import at_work


@attrs.frozen(kw_only=True)
class Share:
    """A process's share of the machine.

    Attributes:
        threads: Threads that it computes with.
        gpus: The GPUs that it sees, as ``CUDA_VISIBLE_DEVICES`` names them.
        folder: The study's folder.
    """

    threads: int
    gpus: tuple[str, ...]
    folder: Path


@attrs.frozen(kw_only=True)
class Done:
    """The end of some work.

    Attributes:
        error: Why it failed; None if it did not.
    """

    error: Exception | None


def serve(connection: Connection, share: Share) -> None:
    """Perform what comes through a connection, one after the other; send lines of progress, and the ends."""
    from shortstack.models.malloc import keep_freed_memory

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    received: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_receive, args=(connection, received), daemon=True).start()
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(share.gpus)
    keep_freed_memory()  # the process is ours
    use_threads(share.threads)
    with at_work(share.folder):
        while True:
            error = attempt_sent(received.get(), connection.send)
            connection.send(Done(error=error))


def _receive(connection: Connection, received: "SimpleQueue[bytes]") -> None:
    """Queue all that comes; when the parent is gone, end the process, whose work has no reader any more."""
    try:
        while True:
            received.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(1)
