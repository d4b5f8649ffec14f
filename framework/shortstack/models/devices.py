"""Where models live."""

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
