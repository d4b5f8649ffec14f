"""Devices that models are placed on."""

from statistics import median
from time import perf_counter

import torch

from shortstack.errors import ConfigurationError
from shortstack.processes import ALONE, World


def device_named(wanted: str, world: World = ALONE) -> torch.device:
    """Return the device that a setting names; of several processes on a machine, each has a GPU of its own.

    Args:
        wanted: ``"cpu"``, ``"cuda"``, or ``"auto"`` for CUDA if it is available.
        world: The processes of a run.

    Raises:
        ConfigurationError: The device is not available, or there are fewer GPUs than processes.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device is 'cuda', but torch finds no CUDA device here; use 'cpu' or 'auto'")
    kind = wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cpu" or world.size == 1:
        return torch.device(kind)
    if world.local_size > torch.cuda.device_count():
        raise ConfigurationError(
            f"{world.local_size} processes run on this machine, and torch finds {torch.cuda.device_count()} GPU(s) there; start as "
            "many processes as there are GPUs, or set device = 'cpu'"
        )
    return torch.device(kind, world.local_rank)


def bfloat16_is_faster(device: torch.device) -> bool:
    """Return True if a device multiplies matrices faster in bfloat16 than in float32, by timing both.

    Most GPUs do, few CPUs; no public name reports which, so it is measured.
    """
    return _seconds(torch.bfloat16, device) < _seconds(torch.float32, device)


def _seconds(dtype: torch.dtype, device: torch.device) -> float:
    """Return the median time of a product of two matrices of 512 × 512."""
    left = torch.ones(512, 512, dtype=dtype, device=device)
    durations = []
    for _ in range(7):
        start = perf_counter()
        torch.mm(left, left)
        if device.type == "cuda":  # kernels run asynchronously
            torch.cuda.synchronize(device)
        durations.append(perf_counter() - start)
    return median(durations)
