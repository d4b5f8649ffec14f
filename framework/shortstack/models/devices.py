"""Where models live."""

from statistics import median
from time import perf_counter

import torch

from shortstack.errors import ConfigurationError


def device_named(wanted: str) -> torch.device:
    """The device that a setting means.

    Args:
        wanted: ``"cpu"``, ``"cuda"``, or ``"auto"`` for CUDA where there is some.

    Raises:
        ConfigurationError: It is not there.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device is 'cuda', but torch finds no CUDA device here; use 'cpu' or 'auto'")
    return torch.device(wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def bfloat16_is_faster(device: torch.device) -> bool:
    """Whether a device multiplies matrices faster in bfloat16 than in float32: most GPUs do, few CPUs; tried, not guessed."""
    return _seconds(torch.bfloat16, device) < _seconds(torch.float32, device)


def _seconds(dtype: torch.dtype, device: torch.device) -> float:
    """For a product of two matrices."""
    left = torch.ones(512, 512, dtype=dtype, device=device)
    found = []
    for _ in range(7):
        start = perf_counter()
        torch.mm(left, left)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(perf_counter() - start)
    return median(found)
