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


def require_memory(config: PreTrainedConfig, device: torch.device, learning: Learning) -> None:
    """Refuse what cannot fit.

    Args:
        config: Of the model.
        device: Where it will be.
        learning: What of it is trained.

    Raises:
        ConfigurationError: It needs more than there is; says how much.
    """
    free, needed = free_bytes(device), memory_needed(config, learning)
    if free is not None and needed > free:
        what = "loading" if learning == "nothing" else "training"
        advice = {
            "all": ", teacher.fit.lora, or leave teacher.fit out",
            **dict.fromkeys(("embeddings", "little"), ", or leave teacher.fit out"),
        }
        raise ConfigurationError(
            f"{what} the teacher needs at least {needed / 2**30:.1f} GiB, activations not counted, but {device} has "
            f"{free / 2**30:.1f} GiB free; use a smaller teacher{advice.get(learning, '')}"
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
