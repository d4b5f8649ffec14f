"""Processes that compute parts at the same time."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from shortstack.batch.parts import Part, PartSettings, write_part
from shortstack.errors import OutOfMemoryError


def computed(parts: Iterable[Part], settings: PartSettings, processes: int) -> Iterator[int]:
    """Compute parts; yield the number of users of each when it is written, in order.

    Args:
        parts: The parts; no more than two for each process are read ahead.
        settings: What they share.
        processes: Number of processes; 1 is this one. The threads of this one are divided among them.

    Raises:
        OutOfMemoryError: A process was killed, most likely for lack of memory.
        ShortstackError: As ``write_part``.
    """
    if processes == 1:
        yield from (write_part(part, settings) for part in parts)
        return
    pool = _pool(processes)
    try:
        yield from _in_turn(pool, parts, settings, 2 * processes)
    except BrokenProcessPool as error:
        raise OutOfMemoryError(
            f"one of {processes} processes was ended, most likely for lack of memory; start the same command again with fewer: "
            "what was written before is kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(processes: int) -> ProcessPoolExecutor:
    import torch

    threads = max(1, torch.get_num_threads() // processes)
    # spawned: a fork would copy locks that threads of torch hold
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare, initargs=(threads,))


def _in_turn(pool: ProcessPoolExecutor, parts: Iterable[Part], settings: PartSettings, most: int) -> Iterator[int]:
    running: deque[Future[int]] = deque()
    for part in parts:
        running.append(pool.submit(write_part, part, settings))
        if len(running) == most:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _prepare(threads: int) -> None:
    """Set up a worker: its threads, and its end when the process that started it ends or is interrupted."""
    import torch

    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
