"""DIST's relation between classes, against NumPy's correlation."""

import numpy as np
import pytest
import torch

from shortstack.contracts import LossBatch, ModelOutputs


@pytest.fixture(scope="module")
def distance(third_parties):
    """``1 − ρ`` row by row."""
    return third_parties("dist-loss").correlation_distance


@pytest.fixture
def loss(registry):
    """The loss of two tables of logits."""

    def of(student, teacher, **settings):
        built = registry.build("loss", "dist", settings)
        batch = LossBatch(labels=torch.zeros(len(student), dtype=torch.long), mask=torch.ones(1, 1, dtype=torch.bool))
        total = built(ModelOutputs(logits=student), ModelOutputs(logits=teacher), batch, None)
        assert int(built.count(batch)) == len(student)
        return total

    return of


def logits(rows=6, candidates=9, seed=0, dtype=torch.float64):
    """Return random logits."""
    return torch.randn(rows, candidates, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_equals_numpy(loss, temperature):
    """The sum over the positions of ``1 − corrcoef`` of the softmaxes."""
    student, teacher = logits(seed=1), logits(seed=2)
    pairs = zip(*(torch.softmax(x / temperature, -1).numpy() for x in (student, teacher)), strict=True)
    expected = sum(1 - np.corrcoef(q, p)[0, 1] for q, p in pairs)

    assert loss(student, teacher, temperature=temperature).item() == pytest.approx(expected, rel=1e-12)


def test_gradient(loss):
    """Backwards is what finite differences say."""
    student = logits(3, 5).requires_grad_()

    assert torch.autograd.gradcheck(lambda s: loss(s, logits(3, 5, seed=4)), student, eps=1e-6, atol=1e-5)


def test_equal_models(loss):
    """Value and gradient are exactly 0."""
    student = logits(dtype=torch.float32).requires_grad_()
    total = loss(student, student.detach().clone())
    total.backward()

    assert total.item() == 0.0
    assert student.grad.abs().max().item() == 0.0


def test_opposite_rows_are_at_two(distance):
    """The bound is reached."""
    row = torch.tensor([[0.1, 0.2, 0.7]])

    assert distance(row, 2 / 3 - row).item() == pytest.approx(2.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_rows(loss, dtype):
    """A uniform student is at 1 from a teacher with a preference, at 0 from one without; its gradient is 0."""
    student = torch.full((2, 7), 0.3, dtype=dtype, requires_grad=True)
    teacher = torch.stack([logits(1, 7, dtype=dtype)[0], torch.full((7,), -5.0, dtype=dtype)])
    total = loss(student, teacher)
    total.backward()

    assert total.item() == 1.0
    assert torch.equal(student.grad, torch.zeros_like(student))


def test_one_candidate(loss):
    """There is no preference to keep."""
    assert loss(logits(4, 1), logits(4, 1, seed=1)).item() == 0.0


def test_no_positions(loss):
    """The sum over nothing is 0, and can be gone back through."""
    student = torch.empty(0, 5, requires_grad=True)
    total = loss(student, torch.empty(0, 5))
    total.backward()

    assert total.item() == 0.0


def test_extreme_logits(loss):
    """Ruled-out candidates and huge logits give finite values and gradients."""
    student = torch.tensor([[1e4, -1e4, 0.0, -torch.inf]], requires_grad=True)
    total = loss(student, torch.tensor([[0.0, 1e4, -1e4, -torch.inf]]))
    total.backward()

    assert 0.0 <= total.item() <= 2.0
    assert bool(student.grad.isfinite().all())


def test_half_precision_is_computed_in_float32(loss):
    """The sum of bfloat16 logits is a float32."""
    assert loss(logits(dtype=torch.bfloat16), logits(dtype=torch.bfloat16, seed=1)).dtype == torch.float32


def test_teacher_gets_no_gradient(loss):
    """The teacher gets no gradient, even if the caller leaves it attached."""
    teacher, student = logits(seed=3).requires_grad_(), logits().requires_grad_()
    loss(student, teacher).backward()

    assert teacher.grad is None
    assert bool(student.grad.any())


def test_without_logits(registry):
    """Called by hand without what it needs, it says so."""
    built = registry.build("loss", "dist")
    batch = LossBatch(labels=torch.zeros(1, dtype=torch.long), mask=torch.ones(1, 1, dtype=torch.bool))
    with pytest.raises(TypeError, match="dist needs the logits of both models"):
        built(ModelOutputs(), ModelOutputs(), batch, None)
