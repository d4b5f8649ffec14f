"""Lower bound of a training's memory, estimated from a config before anything is loaded."""

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
"""Trained part of a model: everything; adapters, with its embeddings and output rows or without; nothing."""


def memory_needed(config: PreTrainedConfig, learning: Learning) -> int:
    """Return a lower bound in bytes: activations, and the small matrices of adapters, are not counted."""
    count = count_parameters(config)
    trained = {"all": count.total, "embeddings": count.embeddings, "little": 0, "nothing": 0}[learning]
    return count.total * LOADED + trained * (TRAINED - LOADED)


def require_memory(needed: int, device: torch.device, what: str, advice: str) -> None:
    """Raise if something certainly does not fit into a device's free memory.

    Args:
        needed: Lower bound in bytes.
        device: Device to fit into.
        what: Subject of the message: what needs the memory.
        advice: Remedy, as the end of the message.

    Raises:
        ConfigurationError: More is needed than is free; gives both.
    """
    free = free_bytes(device)
    if free is not None and needed > free:
        raise ConfigurationError(
            f"{what} needs at least {needed / 2**30:.1f} GiB, activations not counted, but {device} has "
            f"{free / 2**30:.1f} GiB free; {advice}"
        )


def free_bytes(device: torch.device) -> int | None:
    """Return the free bytes, on a CPU within the container's limit; None if the system does not report them."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    # in a container, /proc/meminfo is the host's, so the control group's limit counts too
    available = _read_number(Path("/proc/meminfo"), "MemAvailable:")
    limits = [None if available is None else available * 1024, _left_in(Path("/sys/fs/cgroup"))]
    return min((free for free in limits if free is not None), default=None)


def _left_in(group: Path) -> int | None:
    """Return the bytes left in a control group: its limit less its use, without cached files."""
    limit, used = group / "memory.max", _read_number(group / "memory.stat", "anon")
    if used is None or not limit.is_file() or limit.read_text().strip() == "max":
        return None
    return max(0, int(limit.read_text()) - used)


def _read_number(file: Path, name: str) -> int | None:
    """Return the number in the line of a file that begins with a name; None if there is none."""
    lines = [line.split() for line in file.read_text().splitlines()] if file.is_file() else []
    return next((int(line[1]) for line in lines if line[:1] == [name]), None)
