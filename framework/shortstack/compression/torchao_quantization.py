"""Quantised weights by torchao, which is imported where it is needed."""

from importlib.util import find_spec
from typing import Any

from torch import nn

from shortstack.errors import ConfigurationError


def require_torchao(name: str) -> None:
    """Raise if torchao is missing.

    Args:
        name: The method that needs it.

    Raises:
        ConfigurationError: It is not installed.
    """
    if find_spec("torchao") is None:
        raise ConfigurationError(f"{name} needs the extra 'quantized': pip install 'shortstack[quantized]'")


def quantize(linear: nn.Linear, config: Any) -> nn.Linear:
    """Replace the weight of a linear module, in place, by a quantised tensor of torchao.

    Args:
        linear: The module; it computes in the weight's dtype as before.
        config: A config of ``torchao.quantization``.
    """
    from torchao.quantization import quantize_

    quantize_(linear, config)
    return linear
