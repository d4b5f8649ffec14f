"""``int8``: weights of eight bits, one scale for each output, symmetric.

For each row ``w`` of a weight ``(outputs, inputs)``: ``s = max|w| / 127.5``, ``q = clamp(round(w / s), −128, 127)``, and the module
computes with ``s q`` in the dtype of its inputs.

Source: torchao, ``Int8WeightOnlyConfig``; Dettmers et al. 2022, LLM.int8(), arXiv 2208.07339, section 2 (absmax quantisation
by row), without its mixed precision for outliers.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from shortstack.compression.method import Method
from shortstack.compression.torchao_quantization import quantize, require_torchao


def int8() -> Method:
    """Return the method.

    Raises:
        ConfigurationError: torchao is not installed.
    """
    require_torchao("int8")
    return Method(name="int8", compress=_compressed, stored=parts)


def _compressed(linear: nn.Linear, _statistic: Tensor | None) -> nn.Linear:
    from torchao.quantization import Int8WeightOnlyConfig

    # torch.compile's global settings stay as they are
    return quantize(linear, Int8WeightOnlyConfig(set_inductor_config=False))


def parts(weight: Any) -> Mapping[str, Tensor]:
    """Return the tensors that a quantised tensor of torchao consists of, by their names there."""
    names, _ = weight.__tensor_flatten__()
    return {name: getattr(weight, name) for name in names}
