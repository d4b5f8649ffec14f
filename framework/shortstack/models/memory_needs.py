"""Does a training fit into memory? Told from a config, before anything is loaded."""

from pathlib import Path
from typing import Literal

import torch
from transformers import PreTrainedConfig

from shortstack.errors import ConfigurationError
from shortstack.models.parameters import count_parameters

TRAINED = 16
"""Bytes a parameter: float32 weights, gradients, and AdamW's two moments. Activations are not counted."""
LOADED = 4


Learning = Literal["all", "embeddings", "little", "nothing"]
"""What of a model is trained: everything; adapters, with its embeddings and output rows or without; nothing."""


def memory_needed(config: PreTrainedConfig, learning: Learning) -> int:
    """Bytes at the least: activations, and the small matrices of adapters, are not counted."""
    count = count_parameters(config)
    trained = {"all": count.total, "embeddings": count.embeddings, "little": 0, "nothing": 0}[learning]
    return count.total * LOADED + trained * (TRAINED - LOADED)


def require_memory(needed: int, device: torch.device, what: str, advice: str) -> None:
    """Refuse what cannot fit.

    Args:
        needed: Bytes.
        device: Where.
        what: Needs them.
        advice: What to do about it.

    Raises:
        ConfigurationError: It needs more than there is; says how much.
    """
    free = free_bytes(device)
    if free is not None and needed > free:
        raise ConfigurationError(
            f"{what} needs at least {needed / 2**30:.1f} GiB, activations not counted, but {device} has "
            f"{free / 2**30:.1f} GiB free; {advice}"
        )


def free_bytes(device: torch.device) -> int | None:
    """What is free, and, on a processor, what a container may still take; None where nobody tells."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available = _told(Path("/proc/meminfo"), "MemAvailable:")
    told = [None if available is None else available * 1024, _left_in(Path("/sys/fs/cgroup"))]
    return min((free for free in told if free is not None), default=None)


def _left_in(group: Path) -> int | None:
    """What a control group may still take: its limit less what is in use, files that are only cached not counted."""
    limit, used = group / "memory.max", _told(group / "memory.stat", "anon")
    if used is None or not limit.is_file() or limit.read_text().strip() == "max":
        return None
    return max(0, int(limit.read_text()) - used)


def _told(file: Path, name: str) -> int | None:
    """The number in the line that begins with a name."""
    lines = [line.split() for line in file.read_text().splitlines()] if file.is_file() else []
    return next((int(line[1]) for line in lines if line[:1] == [name]), None)
