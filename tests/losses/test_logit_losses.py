"""``labels`` and ``soft-targets`` against scipy in float64, and the laws of divergences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, rel_entr, softmax

from shortstack.contracts import LossBatch, ModelOutputs, Output
from shortstack_losses.labels import Labels
from shortstack_losses.soft_targets import SoftTargetSettings, soft_targets, tempered_kl

SHAPES = st.tuples(st.integers(1, 6), st.integers(2, 9))


@st.composite
def logit_pairs(draw):
    """Draw two float64 logit tables of one shape, from a seed, and a temperature."""
    rows, columns = draw(SHAPES)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scale = draw(st.sampled_from([0.1, 1.0, 8.0]))
    pair = scale * torch.randn((2, rows, columns), generator=generator, dtype=torch.float64)
    return pair[0], pair[1], draw(st.sampled_from([0.5, 1.0, 2.0, 7.0]))


def tempered_kl_sum(student, teacher, temperature):
    """Return the sum of the terms."""
    return tempered_kl(student, teacher, temperature).sum()


def batch(labels, tokens=1):
    """Return a batch of labels; the mask plays no part here."""
    return LossBatch(labels=torch.as_tensor(labels), mask=torch.ones(1, tokens, dtype=torch.bool))


def outputs(logits):
    """Return logits as a loss sees them."""
    return ModelOutputs(logits=logits)


@given(logit_pairs())
def test_kl_is_scipys(pair):
    """The loss is the sum over rows of scipy's relative entropy, times T²."""
    student, teacher, t = pair
    p, q = softmax(teacher.numpy() / t, axis=-1), softmax(student.numpy() / t, axis=-1)

    assert (
        pytest.approx(t**2 * rel_entr(p, q).sum(), rel=1e-9, abs=1e-12) == tempered_kl_sum(student, teacher, t).item()
    )


@given(logit_pairs())
def test_kl_is_the_mean_over_positions_by_its_count(pair):
    """At T = 1, sum over count is torch's batchmean on a table of positions."""
    student, teacher, _ = pair
    loss, rows = soft_targets(1.0), batch([0] * len(student))
    expected = torch.nn.functional.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="batchmean")

    mean = loss(outputs(student), outputs(teacher), rows, None) / loss.count(rows)

    assert torch.allclose(expected, mean, rtol=1e-9, atol=1e-12)


@given(logit_pairs())
def test_kl_of_equals_is_nothing(pair):
    """KL of equal logits is 0, with its gradient, in float64 and float32."""
    for dtype, bound in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        student = pair[0].detach().clone().to(dtype).requires_grad_()
        value = tempered_kl_sum(student, student.detach().clone(), pair[2])
        value.backward()
        limit = bound * len(student) * max(1.0, pair[2] ** 2)

        assert abs(value.item()) <= limit
        assert student.grad.abs().max() <= limit


@given(logit_pairs())
def test_kl_is_never_negative(pair):
    """No term of KL is negative, not even by rounding."""
    student, teacher, t = pair

    assert tempered_kl(student, teacher, t).min() >= 0.0
    assert tempered_kl(student.float(), (student + 1e-6 * teacher).float(), t).min() >= 0.0


@given(logit_pairs(), st.floats(-100, 100))
def test_kl_ignores_shifts_and_the_order_of_candidates(pair, shift):
    """KL does not depend on shifts of the logits or on the order of candidates."""
    student, teacher, t = pair
    order = torch.randperm(student.shape[1], generator=torch.Generator().manual_seed(1))
    expected = tempered_kl_sum(student, teacher, t)
    slack = 1e-11 * len(student) * t**2 * 100

    assert torch.allclose(expected, tempered_kl_sum(student + shift, teacher - shift, t), rtol=1e-9, atol=slack)
    assert torch.allclose(expected, tempered_kl_sum(student[:, order], teacher[:, order], t), rtol=1e-9, atol=1e-12)


@given(logit_pairs())
def test_kl_gradient_at_any_temperature(pair):
    """The gradient is T (q − p); at T = 1 that of the cross-entropy."""
    student, teacher, t = pair
    student.requires_grad_()
    tempered_kl_sum(student, teacher, t).backward()
    q, p = (student.detach() / t).softmax(-1), (teacher / t).softmax(-1)

    assert torch.allclose(t * (q - p), student.grad, rtol=0, atol=1e-10)


def test_kl_at_high_temperature_is_a_squared_distance():
    """For large T, T² KL → ‖centred difference‖² / 2|V|, within R³/T."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn((2, 1, 7), generator=generator, dtype=torch.float64)
    s, t = student - student.mean(), teacher - teacher.mean()
    largest = torch.stack([s, t]).abs().max()
    for temperature in (10.0, 100.0, 1000.0):
        error = tempered_kl_sum(student, teacher, temperature) - (t - s).square().sum() / 14

        assert error.abs() <= largest**3 / temperature + 1e-14 * temperature**2


@given(logit_pairs())
def test_merging_candidates_never_adds_divergence(pair):
    """Data processing inequality at T = 1: merging the first two candidates never adds divergence."""
    student, teacher, _ = pair

    def merged(logits):
        return torch.cat([logits[:, :2].logsumexp(-1, keepdim=True), logits[:, 2:]], dim=-1)

    assert tempered_kl_sum(student, teacher, 1.0) - tempered_kl_sum(merged(student), merged(teacher), 1.0) >= -1e-9


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_stay_finite(dtype):
    """Logits of ±1e4, and −∞ on both sides at one candidate, give finite values and gradients."""
    student = torch.tensor([[1e4, -1e4, 0.0, -torch.inf]], dtype=dtype, requires_grad=True)
    teacher = torch.tensor([[-1e4, 1e4, 0.0, -torch.inf]], dtype=dtype)
    value = tempered_kl_sum(student, teacher, 2.0)
    value.backward()

    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()


def test_a_candidate_that_only_the_teacher_rules_out_costs_nothing_by_itself():
    """0 · log(0/q) is 0."""
    student, teacher = torch.zeros(1, 3), torch.tensor([[0.0, 0.0, -torch.inf]])

    assert pytest.approx(np.log(1.5)) == tempered_kl_sum(student, teacher, 1.0).item()


@given(logit_pairs(), st.integers(0, 2**31))
def test_labels_are_scipys_cross_entropy(pair, seed):
    """−Σ log softmax at the labels."""
    student, _, _ = pair
    right = torch.randint(student.shape[1], (len(student),), generator=torch.Generator().manual_seed(seed))
    expected = -log_softmax(student.numpy(), axis=-1)[np.arange(len(student)), right.numpy()].sum()

    assert pytest.approx(expected, rel=1e-9) == Labels()(outputs(student), ModelOutputs(), batch(right), None).item()


@given(logit_pairs(), st.data())
@settings(max_examples=30)
def test_sums_and_counts_add_up(pair, data):
    """Additivity: sums and counts of two parts add up, wherever the batch is cut."""
    student, teacher, t = pair
    cut = data.draw(st.integers(0, len(student)))
    right = torch.zeros(len(student), dtype=torch.long)
    for loss in (Labels(), soft_targets(t)):

        def at(rows, loss=loss):
            return loss(outputs(student[rows]), outputs(teacher[rows]), batch(right[rows]), None)

        first, second = slice(None, cut), slice(cut, None)
        assert torch.allclose(at(slice(None)), at(first) + at(second), rtol=1e-12, atol=1e-12)
        assert loss.count(batch(right)) == loss.count(batch(right[first])) + loss.count(batch(right[second]))


def test_nothing_supervised_is_nothing():
    """A batch without labels gives sum 0, count 0 and no NaN."""
    empty = outputs(torch.zeros(0, 4, requires_grad=True))
    none = batch(torch.zeros(0, dtype=torch.long))
    for loss in (Labels(), soft_targets(2.0)):
        assert loss(empty, outputs(torch.zeros(0, 4)), none, None).item() == 0.0
        assert loss.count(none).item() == 0
        assert loss.count(none).dtype == torch.int64


@given(logit_pairs())
@settings(max_examples=10)
def test_gradcheck_and_inputs_left_alone(pair):
    """Numerical gradients agree; the teacher gets none, and inputs are not modified."""
    student, teacher, t = pair
    before = student.clone(), teacher.clone()
    student.requires_grad_()

    assert torch.autograd.gradcheck(lambda s: tempered_kl_sum(s, teacher, t), student, eps=1e-6, atol=1e-5, rtol=1e-4)
    assert torch.equal(before[0], student)
    assert torch.equal(before[1], teacher)
    assert teacher.grad is None


def test_no_gradient_flows_into_the_teacher():
    """The teacher gets no gradient, even if the caller leaves it attached."""
    student, teacher = torch.randn((2, 3, 5), requires_grad=True).unbind()
    student.retain_grad()
    teacher.retain_grad()
    soft_targets(2.0)(outputs(student), outputs(teacher), batch([0, 1, 2]), None).backward()

    assert student.grad.abs().max() > 0
    assert teacher.grad is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_reductions_are_in_float32_or_wider(dtype):
    """Sums are accumulated in float32 or wider."""
    logits = torch.randn(3, 5).to(dtype)
    expected = torch.promote_types(dtype, torch.float32)
    for loss in (Labels(), soft_targets(2.0)):
        assert expected == loss(outputs(logits), outputs(logits), batch([0, 1, 2]), None).dtype


def test_what_each_needs():
    """``labels`` runs no teacher."""
    assert frozenset({Output.STUDENT_LOGITS}) == Labels().needs
    assert any(output.of_teacher for output in soft_targets(2.0).needs)
    assert Labels().prepare(None, None, None) is None
    assert soft_targets(1.0).prepare(None, None, None) is None


def test_missing_logits_are_said():
    """A loss called without what it needs says so."""
    with pytest.raises(TypeError, match=r"^labels needs the student's logits$"):
        Labels()(ModelOutputs(), ModelOutputs(), batch([0]), None)
    with pytest.raises(TypeError, match=r"^soft-targets needs the logits of both models$"):
        soft_targets(1.0)(outputs(torch.zeros(1, 2)), ModelOutputs(), batch([0]), None)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_temperatures_that_are_none(temperature):
    """A temperature is a finite number above 0."""
    with pytest.raises(ValueError, match=r"'temperature' must be"):
        SoftTargetSettings(temperature=temperature)
