"""``low-rank``: by a theorem the error of the outputs is what a decomposition of the outputs themselves leaves out."""

import copy
from fractions import Fraction

import numpy as np
import pytest
import torch
from compression.conftest import inputs_of, linears

from shortstack.compression.compressing import compress
from shortstack.compression.low_rank import factors, gram_of, rank_of
from shortstack.compression.names import method_named

ROWS, INPUTS, OUTPUTS = 200, 12, 9


@pytest.fixture
def case():
    """Correlated inputs of different sizes, ``(rows, inputs)``, and a weight ``(outputs, inputs)``, float64."""
    draw = np.random.default_rng(3)
    inputs = draw.normal(size=(ROWS, INPUTS)) @ draw.normal(size=(INPUTS, INPUTS)) * np.logspace(0, 2, INPUTS)
    return torch.tensor(inputs), torch.tensor(draw.normal(size=(OUTPUTS, INPUTS)))


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_no_matrix_of_this_rank_is_nearer(case, rank):
    """The least error of outputs is the sum of the squared singular values of ``X Wᵀ`` after the first ones (Eckart–Young)."""
    inputs, weight = case
    outer, inner = factors(weight, gram_of(inputs), rank)
    left_out = np.linalg.svd((inputs @ weight.T).numpy(), compute_uv=False)[rank:]

    error = inputs @ (weight - outer @ inner).T
    assert (tuple(outer.shape), tuple(inner.shape)) == ((OUTPUTS, rank), (rank, INPUTS))
    assert float(error.square().sum()) == pytest.approx(float((left_out**2).sum()), rel=1e-4)


def test_full_rank_is_the_matrix(case):
    """Nothing is cut."""
    inputs, weight = case
    outer, inner = factors(weight, gram_of(inputs), OUTPUTS)

    torch.testing.assert_close(outer @ inner, weight)


def test_inputs_that_never_vary(case):
    """Half of the inputs are always 0: the others are fitted, and nothing is NaN."""
    inputs, weight = case
    inputs[:, ::2] = 0
    outer, inner = factors(weight, gram_of(inputs), INPUTS // 2)
    error = inputs @ (weight - outer @ inner).T

    assert error.abs().max() < 1e-3 * (inputs @ weight.T).abs().max()
    assert torch.isfinite(factors(weight, torch.zeros(INPUTS, INPUTS).double(), 2)[1]).all()


@pytest.mark.parametrize("share", [Fraction(1, 4), Fraction(1, 2), Fraction(9, 10)])
def test_the_share_that_is_left_out(share):
    """One more singular value would be too many weights."""
    weight = torch.zeros(48, 32)
    rank = rank_of(weight, share)

    assert rank * (48 + 32) <= (1 - share) * weight.numel() < (rank + 1) * (48 + 32)


def test_a_model(llama, batches):
    """Each module's outputs are nearer to its own than those of a plain decomposition of the same rank."""
    whole = copy.deepcopy(llama)
    linear = linears(whole, 0)["mlp.up_proj"]
    compress(llama, method_named("low-rank-50%"), batches)
    pair = llama.model.layers[0].mlp.up_proj
    inputs = inputs_of(whole, linear, batches)
    left, values, right = np.linalg.svd(linear.weight.detach().double().numpy(), full_matrices=False)
    rank = pair[0].out_features
    plain = torch.tensor((left[:, :rank] * values[:rank]) @ right[:rank])

    weight = linear.weight.detach().double()
    weighted = (pair[1].weight @ pair[0].weight).detach().double()
    errors = [float((inputs @ (weight - cut).T).square().sum()) for cut in (weighted, plain)]
    assert errors[0] < errors[1]
    assert sum(p.numel() for p in pair.parameters()) <= linear.weight.numel() / 2
