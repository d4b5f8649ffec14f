"""The processes of one run: which of them this is, and how they share work. With one process each call is the plain one."""

import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from typing import Any, Final, TypeVar

import attrs

from shortstack.errors import ConfigurationError, OtherProcessError

__all__ = ["ALONE", "TIME_OUT", "World", "joined", "started_by_a_launcher"]

TIME_OUT: Final = timedelta(hours=24)
"""Longest time that a process waits for the others, of which one may prepare data for hours.

One that ends is noticed at once: by its launcher, which ends the others, and by the connections that it leaves.
"""

_FAILED: Final = "shortstack/failed"
_BROKEN: Final = re.compile(r"gloo|nccl|connection (closed|reset|refused)|broken pipe", re.IGNORECASE)
"""Words of torch's errors about processes that do not answer any more; it has no type of error for all of them."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@attrs.frozen(kw_only=True)
class World:
    """The processes of a run, as one of them sees it; every process makes the same calls in the same order.

    Attributes:
        rank: Number of this process, from 0; the first one alone writes, and reports.
        size: Number of processes.
        local_rank: Number of this process on its machine, from 0.
        local_size: Number of processes on its machine.
        in_step: Every process calls a shared function as often as the others, as a model that is divided among them
            needs it; the last call of those that have fewer items is for nothing.

    >>> World().map(abs, [-1, 2])
    [1, 2]
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    in_step: bool = False

    @property
    def is_first(self) -> bool:
        """True in the first process, and where there is only one."""
        return self.rank == 0

    def first(self, function: Callable[[], Result]) -> Result:
        """Call a function in the first process alone, and return its result in every process.

        Raises:
            OtherProcessError: It failed in the first process, where its own error is raised.
        """
        if self.size == 1:
            return function()
        if not self.is_first:
            received: Result = self._received()
            return received
        try:
            result = function()
        except Exception:
            self._broadcast(None, failed=True)
            raise
        self._broadcast(result, failed=False)
        return result

    def gather(self, value: Item) -> list[Item]:
        """Return the values of all processes, by their number, in every process.

        Raises:
            OtherProcessError: A process has ended.
        """
        if self.size == 1:
            return [value]
        import torch

        values: list[Any] = [None] * self.size
        with _answered():
            torch.distributed.all_gather_object(values, value)
        return values

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this process's items: every ``size``-th one.

        >>> World(rank=1, size=3).share(range(7))
        range(1, 7, 3)
        """
        return items[self.rank :: self.size]

    def spare(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return what this process runs for nothing after its share, to be in step with the others: an item, or none.

        >>> World(rank=1, size=2, in_step=True).spare(range(7))
        range(0, 1)
        """
        behind = self.in_step and len(self.share(items)) < len(items[:: self.size])
        return items[: int(behind)]

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Return the results of a function for all items, in their order; each process calls it for its share.

        Raises:
            OtherProcessError: A process has ended.
        """
        shared = [function(item) for item in self.share(items)]
        for item in self.spare(items):
            function(item)
        return self.in_order(shared)

    def in_order(self, shared: Sequence[Result]) -> list[Result]:
        """Return the results of all processes' shares, in the order of the items.

        Args:
            shared: This process's results, one for each item of its ``share``.

        Raises:
            OtherProcessError: A process has ended.
        """
        if self.size == 1:
            return list(shared)
        parts = self.gather(list(shared))
        turns = (part[turn : turn + 1] for turn in range(len(parts[0])) for part in parts)
        return list(chain.from_iterable(turns))

    def _broadcast(self, result: object, *, failed: bool) -> None:
        import torch

        with _answered():
            torch.distributed.broadcast_object_list([result, failed], src=0)

    def _received(self) -> Any:
        import torch

        message: list[Any] = [None, None]
        with _answered():
            torch.distributed.broadcast_object_list(message, src=0)
        result, failed = message
        if failed:
            raise OtherProcessError("the first process of this run has failed; its message says why", reported=True)
        return result


ALONE: Final = World()
"""One process alone."""


def started_by_a_launcher() -> bool:
    """Return True if a launcher, such as torchrun or ``accelerate launch``, started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


@contextmanager
def joined() -> Iterator[World]:
    """Join the other processes that a launcher has started, while the context is open; alone if there are none.

    Of several processes that fail, the first keeps its error, and says which process it is; the others raise
    ``OtherProcessError``, which need not be shown. Within an open context, or a process group of one's own, a second
    one joins nothing.

    Raises:
        ConfigurationError: The launcher's environment is incomplete.
        OtherProcessError: Another process failed before this one.
    """
    import torch

    if not started_by_a_launcher() or torch.distributed.is_initialized():
        yield _world()
        return
    _require_environment()
    # both: small messages go over the CPU on every machine, and the device of the models is not known yet
    torch.distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=TIME_OUT
    )
    world = _world()
    try:
        with _answered():
            yield world
    except Exception as error:
        _claim(error, world)
        if not torch.cuda.is_available():  # NCCL would wait for those that do not answer
            torch.distributed.destroy_process_group()
        raise
    # an exit beside gloo's running threads may abort the process
    torch.distributed.destroy_process_group()


def _world() -> World:
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return World()
    return World(
        rank=torch.distributed.get_rank(),
        size=torch.distributed.get_world_size(),
        local_rank=int(os.environ.get("LOCAL_RANK", "0")),
        local_size=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
    )


def _require_environment() -> None:
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ConfigurationError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, so this is one process of several, but {' and '.join(missing)} "
            "are not set; start them with --processes, torchrun or accelerate launch, or unset WORLD_SIZE"
        )


def _claim(error: Exception, world: World) -> None:
    """Say which process an error is from; raise another one if a process failed before, since that may be its cause.

    Raises:
        OtherProcessError: This process is not the first to fail.
    """
    import torch

    if isinstance(error, OtherProcessError) and error.reported:
        return
    try:
        number = torch.distributed.distributed_c10d._get_default_store().add(_FAILED, 1)  # noqa: SLF001 -- torch has no public name
    except torch.distributed.DistError:  # the launcher has ended, for another process failed
        number = 2
    if number > 1:
        raise OtherProcessError(
            "another process of this run has failed; its message says why", reported=True
        ) from error
    error.add_note(f"this was process {world.rank} of 0 to {world.size - 1}, on {socket.gethostname()}")


@contextmanager
def _answered() -> Iterator[None]:
    """Tell processes that do not answer any more from other errors.

    Raises:
        OtherProcessError: A process has ended, or has not answered in time.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, OtherProcessError) or not _BROKEN.search(str(error)):
            raise
        raise OtherProcessError(
            f"another process of this run has ended, or has not answered for {TIME_OUT}; start the same command again, and it "
            "goes on from there"
        ) from error
