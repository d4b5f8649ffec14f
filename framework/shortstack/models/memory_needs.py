"""Does a training fit into memory? Told from a config, before anything is loaded."""

from pathlib import Path

import torch
from transformers import PreTrainedConfig

from shortstack.errors import ConfigurationError
from shortstack.models.parameters import count_parameters

TRAINED = 16
"""Bytes a parameter: float32 weights, gradients, and AdamW's two moments. Activations are not counted."""
LOADED = 4


def require_memory(config: PreTrainedConfig, device: torch.device, *, trained: bool) -> None:
    """Refuse what cannot fit.

    Args:
        config: Of the model.
        device: Where it will be.
        trained: Whether it is trained, or only used.

    Raises:
        ConfigurationError: It needs more than there is; says how much.
    """
    free = free_bytes(device)
    needed = count_parameters(config).total * (TRAINED if trained else LOADED)
    if free is not None and needed > free:
        what = "training" if trained else "loading"
        raise ConfigurationError(
            f"{what} the teacher needs at least {needed / 2**30:.1f} GiB, activations not counted, but {device} has "
            f"{free / 2**30:.1f} GiB free; use a smaller teacher{', or leave teacher.fit out' if trained else ''}"
        )


def free_bytes(device: torch.device) -> int | None:
    """What is free; None where nobody tells."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    told = Path("/proc/meminfo")
    if not told.is_file():
        return None
    line = next((line for line in told.read_text().splitlines() if line.startswith("MemAvailable:")), None)
    return None if line is None else int(line.split()[1]) * 1024
