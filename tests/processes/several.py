"""Calls of a function in several processes that share gloo's group, forked from this one, which has torch in memory."""

import multiprocessing
import os
import pickle
import socket
import warnings

import attrs
import torch

from shortstack.processes import ALONE, joined


@attrs.frozen
class Failed:
    """An error of one process: the name of its type, its message and its notes."""

    kind: str
    message: str
    notes: tuple[str, ...] = ()


def in_processes(size, function, *given):
    """Return ``function(world, *given)`` of each process by its number, or how it ``Failed``; of one, in this process."""
    if size == 1:
        return [function(ALONE, *given)]
    fork = multiprocessing.get_context("fork")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pipes = [fork.Pipe(duplex=False) for _ in range(size)]
    members = [
        fork.Process(target=_member, args=(rank, size, port, pipe, function, given))
        for rank, (_, pipe) in enumerate(pipes)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, which these do not use
        for member in members:
            member.start()
    for _, sending in pipes:
        sending.close()
    results = [pickle.loads(receiving.recv_bytes()) for receiving, _ in pipes]  # noqa: S301 -- they are ours
    for member in members:
        member.join(60)
    return results


def _member(rank, size, port, pipe, function, given):
    torch.set_num_threads(1)
    here = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    there = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in (here | there).items()})
    try:
        with joined() as world:
            result = function(world, *given)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the test sees it
        result = Failed(type(error).__name__, str(error), tuple(getattr(error, "__notes__", ())))
    # by value: torch's own pickles for pipes share memory, which ends with this process
    pipe.send_bytes(pickle.dumps(result))
    pipe.close()
    os._exit(0)
