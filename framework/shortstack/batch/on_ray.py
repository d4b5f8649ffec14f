"""Parts as tasks of a Ray cluster, whose machines see the output's and the recommender's folders at the same paths."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final

from shortstack.batch.parts import Part, PartSettings, write_part
from shortstack.errors import ConfigurationError, ShortstackError, WorkerError
from shortstack.ray_cluster import share

_RETRIES: Final = 2
"""How often a part is tried again whose process or machine died."""


def computed_on_ray(parts: Iterable[Part], settings: PartSettings, ray: Any, tasks: int | None) -> Iterator[int]:
    """Compute parts; yield the number of users of each when it is written, in order.

    Args:
        parts: The parts; no more than two for each task are read ahead.
        settings: What they share.
        ray: The package, connected to a cluster.
        tasks: Among how many parts the cluster is divided; by default each has a GPU, or on CPUs a CPU.

    Raises:
        ConfigurationError: The device is CUDA, and the cluster has no GPU.
        WorkerError: A part's process or machine died each time that it was tried.
        ShortstackError: As ``write_part``.
    """
    machines = [_without_gpus(node["Resources"], settings.device) for node in ray.nodes() if node["Alive"]]
    each = share(machines, tasks)
    if settings.device == "cuda" and not each.gpus:
        raise ConfigurationError("--device cuda: the Ray cluster has no GPU; use cpu")
    kind = "GPU" if each.gpus else "CPU"
    most = 2 * (tasks or int(sum(machine.get(kind, 0) for machine in machines)))
    write = ray.remote(max_retries=_RETRIES, num_cpus=each.cpus, num_gpus=each.gpus)(_written)
    shared, running = ray.put(settings), deque[Any]()
    try:
        for part in parts:
            running.append(write.remote(part, shared, each.cpus))
            if len(running) == most:
                yield _size(ray, running.popleft())
        while running:
            yield _size(ray, running.popleft())
    finally:
        for task in running:
            ray.cancel(task, force=True)


def _without_gpus(resources: dict[str, float], device: str) -> dict[str, float]:
    return resources if device == "cuda" else {**resources, "GPU": 0.0}


def _written(part: Part, settings: PartSettings, threads: int) -> int | ShortstackError:
    """Write a part in a task; an error is returned, for Ray would wrap what is raised in its own text."""
    import torch

    torch.set_num_threads(threads)
    try:
        return write_part(part, settings)
    except ShortstackError as error:
        return error


def _size(ray: Any, task: Any) -> int:
    try:
        outcome: int | ShortstackError = ray.get(task)
    except ray.exceptions.RayError as error:
        raise WorkerError(
            f"a part's process was lost {_RETRIES + 1} times ({type(error).__name__}); if memory ran out, divide the cluster among fewer parts "
            "with --processes; start the same command again: what was written before is kept"
        ) from error
    if isinstance(outcome, ShortstackError):
        raise outcome
    return outcome
