"""``int8`` and ``int4``: bounds of the rounding, and what is stored."""

import copy

import pytest
import torch
from compression.conftest import linears, logits

from shortstack.compression import torchao_quantization
from shortstack.compression.compressing import compress
from shortstack.compression.int4 import GROUP, packed
from shortstack.compression.names import method_named
from shortstack.errors import ConfigurationError


@pytest.mark.parametrize(("name", "levels", "group"), [("int8", 127.5, None), ("int4", 7.5, GROUP)])
def test_the_error_of_a_weight(made, name, levels, group):
    """It is at most half a step, of the largest weight over so many levels; the largest itself may be clipped by another half."""
    model = made(intermediate_size=64)
    whole = copy.deepcopy(model)
    compress(model, method_named(name))

    for layer in range(6):
        for path, linear in linears(model, layer).items():
            before = linears(whole, layer)[path].weight.detach()
            rows = before.reshape(-1, group or before.shape[1])
            step = rows.abs().amax(dim=1, keepdim=True) / levels
            error = (linear.weight.dequantize().reshape(rows.shape) - rows).abs()
            assert (error <= 0.5001 * step).all()
            assert error.max() > 0.3 * step.min()  # it is rounded


def test_predictions_stay_close(made, batches):
    """Within two per cent of the largest logit with eight bits, and further away with four."""
    before = logits(made(intermediate_size=64), batches)
    errors = {}
    for name in ("int8", "int4"):
        model = made(intermediate_size=64)
        compress(model, method_named(name))
        errors[name] = float((logits(model, batches) - before).abs().max() / before.abs().max())

    assert errors["int8"] < 0.02
    assert errors["int8"] < errors["int4"] < 0.5


def test_two_values_share_a_byte():
    """Unpacked again, all sixteen values are what they were."""
    values = torch.arange(-8, 8, dtype=torch.int8).reshape(2, 8)
    halves = packed(values)
    unpacked = torch.stack([halves & 15, halves >> 4], dim=1).flatten().to(torch.int8)

    assert halves.dtype == torch.uint8
    assert torch.where(unpacked > 7, unpacked - 16, unpacked).tolist() == list(range(-8, 8))


def test_the_settings_of_the_compiler_stay(made):
    """The settings of torch.compile, which torchao changes by default, are as before."""
    from torch._inductor import config

    before = config.coordinate_descent_tuning, config.epilogue_fusion, torch.get_float32_matmul_precision()
    compress(made(intermediate_size=64), method_named("int8"))

    assert (config.coordinate_descent_tuning, config.epilogue_fusion, torch.get_float32_matmul_precision()) == before


@pytest.mark.parametrize("name", ["int8", "int4"])
def test_without_torchao(monkeypatch, name):
    """One line names the extra."""
    monkeypatch.setattr(torchao_quantization, "find_spec", lambda _name: None)

    with pytest.raises(ConfigurationError, match=rf"^{name} needs the extra 'quantized': pip install 'shortstack"):
        method_named(name)
