"""Ray clusters: how one is reached, and how it is divided among tasks."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from shortstack.errors import ConfigurationError


def imported_ray() -> Any:
    """Return the package.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigurationError('Ray is not installed; install it with pip install "shortstack[ray]"') from error
    return ray


def connect(ray: Any, address: str) -> None:
    """Connect to a cluster.

    Args:
        ray: The package.
        address: The cluster's address; ``"local"`` starts one on this machine.

    Raises:
        ConfigurationError: There is no cluster at the address.
    """
    quiet: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        _require_listener(address)
        ray.init(address=address, log_to_driver=False, logging_level="error", **quiet)
    except Exception as error:  # of no narrower class where a node does not start in time
        raise ConfigurationError(
            f"there is no Ray cluster at {address!r} ({' '.join(str(error).split())[:160]}); start one with ray start --head, or "
            "write local for one on this machine"
        ) from error


def _require_listener(address: str) -> None:
    """Raise an ``OSError`` if nothing listens at HOST:PORT: Ray would wait for minutes, and then end this process."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "://" not in address:
        socket.create_connection((host, int(port)), timeout=10).close()


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Inside, this process is connected to a cluster; gives the package.

    A connection that was there before is used, and stays.

    Raises:
        ConfigurationError: Ray is not installed, or there is no cluster at the address.
    """
    ray = imported_ray()
    if ray.is_initialized():
        yield ray
        return
    connect(ray, address)
    try:
        yield ray
    finally:
        ray.shutdown()


@attrs.frozen(kw_only=True)
class RayShare:
    """A task's share of a cluster.

    Attributes:
        cpus: CPUs, which are its threads.
        gpus: GPUs, or a part of one.
    """

    cpus: int
    gpus: float


def share(machines: Sequence[Mapping[str, float]], jobs: int | None) -> RayShare:
    """Divide a cluster among some tasks; by default each has a GPU with its part of the CPUs, or without any GPU a CPU.

    A share is never larger than a machine, for no task would find room for it.

    >>> share([{"CPU": 16.0, "GPU": 2.0}], None), share([{"CPU": 16.0}], None), share([{"CPU": 16.0, "GPU": 2.0}], 4)
    (RayShare(cpus=8, gpus=1.0), RayShare(cpus=1, gpus=0.0), RayShare(cpus=4, gpus=0.5))
    >>> share([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 4.0}], 1)
    RayShare(cpus=8, gpus=1.0)
    """
    cpus, gpus = ([machine.get(kind, 0.0) for machine in machines] for kind in ("CPU", "GPU"))
    tasks = jobs or int(sum(gpus) or sum(cpus))
    each = min(sum(gpus) / tasks, max(gpus))
    # Ray takes a part of one GPU, or whole ones
    return RayShare(cpus=max(1, int(min(sum(cpus) / tasks, max(cpus)))), gpus=each if each < 1 else float(int(each)))
