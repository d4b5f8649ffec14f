"""``int4``: weights of four bits, one scale for each 32 inputs of an output, symmetric.

For each group ``w`` of 32 weights in a row: ``s = max|w| / 7.5``, ``q = clamp(round(w / s), −8, 7)``, and the module computes with ``s q``
in the dtype of its inputs.

Two values share a byte on the disk. In memory torchao keeps a byte for each on devices for which it has no kernel of four
bits, as here on all: the memory that is reported is that of ``int8`` with more scales.

Source: torchao, ``IntxWeightOnlyConfig``; groups as in Frantar et al. 2022, GPTQ, arXiv 2210.17323, section 4, whose rounding is not used:
weights are rounded to the nearest.
"""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from shortstack.compression.int8 import parts
from shortstack.compression.method import Method
from shortstack.compression.torchao_quantization import quantize, require_torchao

GROUP: Final = 32
"""Inputs that share a scale."""
_FOUR_BITS: Final[torch.dtype] = torch.int4  # type: ignore[attr-defined]  # which torch has had since 2.6
_VALUES: Final = "qdata"
"""Name of the values in torchao's tensor."""


def int4() -> Method:
    """Return the method.

    Raises:
        ConfigurationError: torchao is not installed.
    """
    require_torchao("int4")
    return Method(name="int4", compress=_compressed, problem=_problem, stored=_stored)


def _problem(linear: nn.Linear) -> str:
    whole = linear.in_features % GROUP == 0
    return "" if whole else f"have {linear.in_features} inputs, which are no whole groups of {GROUP}"


def _compressed(linear: nn.Linear, _statistic: Tensor | None) -> nn.Linear:
    from torchao.quantization import IntxWeightOnlyConfig, PerGroup

    return quantize(linear, IntxWeightOnlyConfig(weight_dtype=_FOUR_BITS, granularity=PerGroup(GROUP)))


def _stored(weight: Tensor) -> Mapping[str, Tensor]:
    whole = dict(parts(weight))
    return {**whole, _VALUES: packed(whole[_VALUES])}


def packed(values: Tensor) -> Tensor:
    """Return whole numbers from −8 to 7, int8 of any even size, two in a byte: uint8, the first in the lower half.

    >>> packed(torch.tensor([1, -1, 7, -8], dtype=torch.int8)).tolist()
    [241, 135]
    """
    halves = values.flatten().view(torch.uint8).bitwise_and(15).view(-1, 2)
    return halves[:, 0] | (halves[:, 1] << 4)
