"""Devices that models are placed on."""

from statistics import median
from time import perf_counter

import torch

from shortstack.errors import ConfigurationError


def device_named(wanted: str) -> torch.device:
    """Return the device that a setting names.

    Args:
        wanted: ``"cpu"``, ``"cuda"``, or ``"auto"`` for CUDA if it is available.

    Raises:
        ConfigurationError: The device is not available.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device is 'cuda', but torch finds no CUDA device here; use 'cpu' or 'auto'")
    return torch.device(wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


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
