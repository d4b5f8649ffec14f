"""Per-example squared parameter gradients where modules are used in unusual ways."""

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from shortstack.importance.measure import measure_importance
from shortstack.models.elementwise import may_be_elementwise, normalised, unit_weight
from shortstack.models.ghost_norms import squared_matrix_gradient, squared_vector_gradient


class Twice(nn.Module):
    """One linear map used twice in a pass, once on constants."""

    def __init__(self, mlp):
        super().__init__()
        self.mlp, self.shared, self.code = (
            mlp,
            nn.Linear(16, 16, dtype=torch.float64),
            nn.Linear(4, 16, dtype=torch.float64),
        )

    def forward(self, states):
        """See the class."""
        constants = torch.linspace(0, 1, 4, dtype=states.dtype).expand(*states.shape[:2], -1)
        return self.mlp(states) + self.shared(self.shared(states).tanh()) + self.code(constants)


class Bare(nn.Module):
    """A bare parameter, weights used without calling their module, and a module that is never used."""

    def __init__(self, mlp):
        super().__init__()
        self.mlp, self.inner = mlp, nn.Linear(16, 16, dtype=torch.float64)
        self.unused = nn.Linear(16, 16, dtype=torch.float64)
        self.gate = nn.Parameter(torch.linspace(0.5, 1.5, 16, dtype=torch.float64))

    def forward(self, states):
        """See the class."""
        return self.mlp(states) + self.gate * F.linear(states, self.inner.weight, self.inner.bias).tanh()


class Gathered(nn.Module):
    """Experts as modules: rows regathered across the batch, in an order of their own."""

    def __init__(self, mlp):
        super().__init__()
        self.mlp, self.expert = mlp, nn.Linear(16, 16, dtype=torch.float64)

    def forward(self, states):
        """See the class."""
        rows = states.flatten(0, 1)
        order = rows[:, 0].argsort()
        return self.mlp(states) + torch.zeros_like(rows).index_copy(0, order, self.expert(rows[order])).view_as(states)


class Tied(nn.Module):
    """Two modules with one weight."""

    def __init__(self, mlp):
        super().__init__()
        self.mlp, self.one, self.other = (
            mlp,
            nn.Linear(16, 16, dtype=torch.float64),
            nn.Linear(16, 16, dtype=torch.float64),
        )
        self.other.weight = self.one.weight

    def forward(self, states):
        """See the class."""
        return self.mlp(states) + self.other(self.one(states).tanh())


class Rolled(nn.Module):
    """Has a vector that is no scale of channels."""

    def __init__(self, mlp):
        super().__init__()
        self.mlp, self.odd = mlp, Odd()

    def forward(self, states):
        """See the class."""
        return self.mlp(states) + self.odd(states)


class InPlace(nn.Module):
    """Changes a linear map's input after the call: such a model cannot be trained, and not be scored either."""

    def __init__(self, mlp):
        super().__init__()
        self.mlp, self.linear = mlp, nn.Linear(16, 16, dtype=torch.float64)

    def forward(self, states):
        """See the class."""
        copy = states.clone()
        result = self.linear(copy)
        copy.mul_(2)
        return self.mlp(states) + result


class Unused(nn.Module):
    """Has a module that the pass does not use, and nothing else that is unusual."""

    def __init__(self, mlp):
        super().__init__()
        self.mlp, self.unused = mlp, nn.Linear(16, 16, dtype=torch.float64)

    def forward(self, states):
        """See the class."""
        return self.mlp(states)


class Scaled(nn.Module):
    """A channel-wise scale judging by its first argument; it takes a second one."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 1.5, 16, dtype=torch.float64))

    def forward(self, states, factor=1.0):
        """See the class."""
        return states * self.weight * factor


class Handed(nn.Module):
    """Calls a module with two arguments."""

    def __init__(self, mlp):
        super().__init__()
        self.mlp, self.scale, self.again = mlp, Scaled(), Scaled()

    def forward(self, states):
        """See the class."""
        return self.scale(self.mlp(states), 3.0) + self.again(states, factor=2.0)


class Hooked(nn.Module):
    """A hook of a third party changes a linear map's output."""

    def __init__(self, mlp):
        super().__init__()
        self.mlp, self.linear = mlp, nn.Linear(16, 16, dtype=torch.float64)
        self.linear.register_forward_hook(lambda _module, _args, output: 2 * output)

    def forward(self, states):
        """See the class."""
        return self.mlp(states) + self.linear(states)


class Odd(nn.Module):
    """Looks like a norm, but rolls its weight into a convolution over channels."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 1.5, 16, dtype=torch.float64))

    def forward(self, states):
        """See the class."""
        return states * self.weight * self.weight.roll(1).to(states.dtype)


@pytest.mark.parametrize("unusual", [Twice, Bare, Gathered, Tied, Rolled, Unused, Handed, Hooked])
def test_unusual_modules_are_exact(unusual, tiny, batch, registry, reference):
    """Added first, squared afterwards; or the slow path; never left out."""
    model = tiny("llama")
    torch.manual_seed(1)
    for layer in model.model.layers[:2]:
        layer.mlp = unusual(layer.mlp)
    importance = measure_importance(model, [batch, batch], ["fisher"], registry=registry)["fisher"]

    torch.testing.assert_close(importance.scores, reference(model, batch)["fisher"], rtol=1e-9, atol=0)


@pytest.mark.parametrize("unusual", [Bare, Gathered])
def test_hooks_of_others_take_part_once(unusual, tiny, batch, registry, reference):
    """Third-party hooks run once, on the slow path too, where the layer is run again."""
    model = tiny("llama")
    torch.manual_seed(1)
    for layer in model.model.layers[:2]:
        layer.mlp = unusual(layer.mlp)
        layer.register_forward_pre_hook(lambda _layer, args: (args[0] * 1.5, *args[1:]))
        layer.register_forward_hook(lambda _layer, _args, output: output.tanh())
    importance = measure_importance(model, [batch], ["fisher"], registry=registry)["fisher"]

    torch.testing.assert_close(importance.scores, reference(model, batch)["fisher"], rtol=1e-9, atol=0)


def test_a_change_in_place_is_noticed(tiny, batch, registry):
    """A change in place raises instead of giving a wrong score."""
    model = tiny("llama")
    model.model.layers[1].mlp = InPlace(model.model.layers[1].mlp)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        measure_importance(model, [batch], ["fisher"], registry=registry)


def test_the_slow_path_says_so_once(tiny, batch, registry, caplog):
    """The warning names the parameters and the cost, once."""
    with caplog.at_level(logging.WARNING):
        measure_importance(tiny("mixtral", torch.float32), [batch, batch], ["fisher"], registry=registry)
        measure_importance(tiny("llama", torch.float32), [batch], ["fisher"], registry=registry)

    expected = (
        "layer 0: no fast rule for the gradients of mlp.gate.weight, mlp.experts.gate_up_proj, mlp.experts.down_proj; "
        "taking them example by example, which is slower"
    )
    assert [expected] == [record.getMessage() for record in caplog.records if record.name.startswith("shortstack")]


@pytest.mark.parametrize(
    ("tokens", "fan_in", "fan_out"),
    [(3, 40, 50), (30, 4, 5), (1, 1, 1), (7, 7, 7), (131, 300, 300), (261, 500, 700), (130, 9, 9)],
)
def test_both_sides_of_the_identity(tokens, fan_in, fan_out):
    """The squared Frobenius norm of each example's weight gradient."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(5, tokens, fan_in, generator=generator, dtype=torch.float64)
    gradients = torch.randn(5, tokens, fan_out, generator=generator, dtype=torch.float64)

    expected = torch.stack([(g.T @ a).square().sum() for a, g in zip(inputs, gradients, strict=True)])
    torch.testing.assert_close(squared_matrix_gradient(inputs, gradients), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        squared_vector_gradient(gradients), gradients.sum(1).square().sum(-1), rtol=1e-12, atol=0
    )


class OnePlus(nn.Module):
    """Scales by ``1 + w``, as Gemma does."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 8))

    def forward(self, states):
        """See the class."""
        return states * states.square().mean(-1, keepdim=True).rsqrt() * (1 + self.weight)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.LayerNorm(8), 1.0),
        (nn.LayerNorm(8, bias=False), 1.0),
        (nn.RMSNorm(8), 1.0),
        (OnePlus(), 0.0),
        (nn.LayerNorm((2, 8)), None),
    ],
)
def test_norms_are_recognised_by_what_they_do(module, expected):
    """Norms are recognised by their arithmetic, and the factor of their weight is recovered exactly."""
    states = torch.randn(3, 2, 8, generator=torch.Generator().manual_seed(0))
    if not may_be_elementwise(module):
        assert expected is None
        return
    assert expected == unit_weight(module, states)
    direction = torch.linspace(1, 2, 8)
    moved = torch.func.functional_call(module, {"weight": module.weight + direction}, (states,))
    slope = moved - module(states)
    torch.testing.assert_close(normalised(module, states, expected) * direction, slope, rtol=1e-5, atol=1e-6)


def test_a_norm_of_nothing_but_padding_is_recognised():
    """Padding on the left attends to nothing, so that the norm after Gemma's attention is given rows of zeros."""
    assert 0.0 == unit_weight(OnePlus(), torch.zeros(4, 8))
    assert 1.0 == unit_weight(nn.RMSNorm(8), torch.zeros(4, 8))


def test_what_is_no_scale_of_channels_is_not_taken_for_one():
    """A nonlinear weight, a scaled shift, and a width that differs."""

    class Scaled(nn.LayerNorm):
        def forward(self, states):
            """See the class."""
            return states * self.weight + 2 * self.bias

    states = torch.randn(3, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert unit_weight(Odd(), states) is None
    assert unit_weight(Scaled(16).double(), states) is None
    assert unit_weight(nn.LayerNorm(8), states) is None
