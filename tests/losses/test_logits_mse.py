"""``logits-mse`` against NumPy, and as the limit of ``soft-targets`` at high temperatures."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shortstack_losses.logits_mse import centred_squared_error
from shortstack_losses.soft_targets import tempered_kl


def logits(seed, rows=4, candidates=7, dtype=torch.float64):
    """Return random logits of two models."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((2, rows, candidates), generator=generator, dtype=torch.float64).to(dtype)


@given(st.integers(0, 2**31), st.floats(-50, 50))
def test_equals_numpy(seed, shift):
    """The variance of the difference, which a constant does not change."""
    student, teacher = logits(seed)
    expected = (student - teacher).numpy().var(-1)

    assert np.allclose(expected, centred_squared_error(student + shift, teacher).numpy(), rtol=1e-9, atol=1e-10)


@given(st.integers(0, 2**31))
def test_is_the_limit_of_soft_targets(seed):
    """T² KL tends to half of it as T grows, with an error of O(1/T)."""
    student, teacher = logits(seed)
    half = centred_squared_error(student, teacher) / 2

    assert torch.allclose(half, tempered_kl(student, teacher, 1e4), rtol=0, atol=1e-2)


@given(st.integers(0, 2**31))
def test_gradient(seed):
    """``2 (d_v − d̄) / |V|``, by its closed form."""
    student, teacher = logits(seed)
    student.requires_grad_()
    centred_squared_error(student, teacher).sum().backward()
    gap = (student.detach() - teacher).numpy()

    assert np.allclose(2 * (gap - gap.mean(-1, keepdims=True)) / gap.shape[-1], student.grad.numpy(), atol=1e-12)


@given(st.integers(0, 2**31), st.booleans())
def test_candidates_that_are_ruled_out_take_no_part(seed, of_teacher):
    """A column at −∞ of either model is as if it were not there, in value and gradient."""
    student, teacher = logits(seed)
    expected = centred_squared_error(student[:, 1:], teacher[:, 1:])
    (teacher if of_teacher else student)[:, 0] = -torch.inf
    leaf = student.clone().requires_grad_()
    actual = centred_squared_error(leaf, teacher)
    actual.sum().backward()

    assert torch.allclose(expected, actual, rtol=1e-12)
    assert leaf.grad.isfinite().all()
    assert not leaf.grad[:, 0].any()


def test_one_candidate_or_none():
    """There is nothing to compare."""
    alone = torch.tensor([[2.0, -torch.inf], [-torch.inf, -torch.inf]], requires_grad=True)
    values = centred_squared_error(alone, torch.tensor([[5.0, 1.0], [0.0, 1.0]]))
    values.sum().backward()

    assert values.tolist() == [0.0, 0.0]
    assert not alone.grad.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_at_least_float32(dtype):
    """The terms are in float32 or wider."""
    student, teacher = logits(0, dtype=dtype)

    assert centred_squared_error(student, teacher).dtype == torch.promote_types(dtype, torch.float32)
