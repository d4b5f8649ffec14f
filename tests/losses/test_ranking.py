"""``ranking`` against loops over ranks and candidates in float64."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shortstack_losses.ranking import DESCRIPTOR, RankingSettings, ranking_terms

SETTINGS = st.builds(
    RankingSettings,
    k=st.integers(1, 12),
    position=st.sampled_from([0.0, 0.3, 1.0]),
    confidence=st.sampled_from([0.2, 0.5]),
    consistency=st.sampled_from([0.0, 0.1, 2.0]),
    decay=st.sampled_from([0.5, 1.0, 3.0]),
)


def logits(seed, rows=3, candidates=8):
    """Return random float64 logits of two models."""
    return torch.randn((2, rows, candidates), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(student, teacher, settings):
    """Return one position's term: weights of DLLM2Rec on the choices of Plackett and Luce, by loops."""
    k = min(settings.k, len(teacher))
    order = sorted(range(len(teacher)), key=lambda v: -teacher[v])[:k]
    ours = set(sorted(range(len(student)), key=lambda v: -student[v])[:k])
    rank = [math.exp(-r / settings.decay) for r in range(1, k + 1)]
    sure = [math.exp(teacher[v]) for v in order]
    weights = [
        settings.position * rank[r] / sum(rank)
        + settings.confidence * sure[r] / sum(sure)
        + settings.consistency * (order[r] in ours)
        for r in range(k)
    ]
    total = 0.0
    for r, item in enumerate(order):
        left = [v for v in range(len(student)) if v not in order[:r]]
        cost = math.log(sum(math.exp(student[v]) for v in left)) - student[item]
        total += weights[r] / sum(weights) * cost
    return total


@given(st.integers(0, 2**31), SETTINGS)
def test_equals_loops(seed, settings):
    """Each position's term is what loops over ranks and candidates give."""
    student, teacher = logits(seed)
    expected = [by_hand(s, t, settings) for s, t in zip(student.tolist(), teacher.tolist(), strict=True)]

    assert pytest.approx(expected, rel=1e-9, abs=1e-12) == ranking_terms(student, teacher, settings).tolist()


@given(st.integers(0, 2**31), st.integers(1, 10))
def test_gradient(seed, k):
    """Backwards is what finite differences say; weights are constants."""
    student, teacher = logits(seed)
    student.requires_grad_()
    settings = RankingSettings(k=k, consistency=0.0)

    assert torch.autograd.gradcheck(
        lambda s: ranking_terms(s, teacher, settings), student, eps=1e-6, atol=1e-5, rtol=1e-4
    )


@given(st.integers(0, 2**31))
def test_one_item_is_the_cross_entropy_of_the_teachers_favourite(seed):
    """With k = 1 all weight is on it."""
    student, teacher = logits(seed)
    expected = torch.nn.functional.cross_entropy(student, teacher.argmax(-1), reduction="none")

    assert torch.allclose(expected, ranking_terms(student, teacher, RankingSettings(k=1)), rtol=1e-12)


@given(st.integers(0, 2**31))
def test_the_teachers_order_costs_least(seed):
    """A student that orders its logits otherwise loses by exchanging any two of the teacher's best."""
    teacher = logits(seed)[1]
    settings = RankingSettings(k=4, position=0.0, confidence=1.0, consistency=0.0)
    best = teacher.argsort(-1, descending=True)
    swapped = teacher.clone().scatter(-1, best[:, :2], teacher.gather(-1, best[:, :2].flip(-1)))

    assert (ranking_terms(teacher, teacher, settings) < ranking_terms(swapped, teacher, settings)).all()


@given(st.integers(0, 2**31), st.booleans(), st.sampled_from([2, 7, 20]))
def test_candidates_that_are_ruled_out_take_no_part(seed, of_teacher, k):
    """Columns at −∞ of either model are as if they were not there, in value and gradient."""
    student, teacher = logits(seed)
    settings = RankingSettings(k=min(k, 5))
    expected = ranking_terms(student[:, 3:], teacher[:, 3:], settings)
    (teacher if of_teacher else student)[:, :3] = -torch.inf
    leaf = student.clone().requires_grad_()
    actual = ranking_terms(leaf, teacher, settings)
    actual.sum().backward()

    assert torch.allclose(expected, actual, rtol=1e-9)
    assert leaf.grad.isfinite().all()
    assert not leaf.grad[:, :3].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_extreme_rows(dtype):
    """Fewer candidates than ``k``, none at all, and logits of ±1e4 give finite values and gradients."""
    inf = torch.inf
    student = torch.tensor([[1e4, -1e4, 0.0], [0.0, -inf, -inf], [-inf, -inf, -inf]], dtype=dtype, requires_grad=True)
    teacher = torch.tensor([[-1e4, 1e4, 0.0], [0.0, 1.0, 2.0], [0.0, 1.0, 2.0]], dtype=dtype)
    values = ranking_terms(student, teacher, RankingSettings())
    values.sum().backward()

    assert values.isfinite().all()
    assert values[1:].tolist() == [0.0, 0.0], "one candidate is no choice, and none is none"
    assert values.dtype == torch.promote_types(dtype, torch.float32)
    assert student.grad.isfinite().all()


def test_no_agreement_is_no_lesson():
    """With the weight of agreement alone, a position whose best candidates differ has none."""
    student, teacher = torch.tensor([[9.0, 0.0, 1.0]], requires_grad=True), torch.tensor([[0.0, 9.0, 1.0]])
    value = ranking_terms(student, teacher, RankingSettings(k=1, position=0.0, confidence=0.0, consistency=1.0))
    value.sum().backward()

    assert value.item() == 0.0
    assert not student.grad.any()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"k": 0}, r"'k' must be >= 1: 0"),
        ({"position": -0.1}, r"'position' must be >= 0.0: -0.1"),
        ({"confidence": float("inf")}, r"'confidence' must be < inf: inf"),
        ({"consistency": float("nan")}, r"'consistency' must be >= 0.0: nan"),
        ({"decay": 0.0}, r"'decay' must be > 0.0: 0.0"),
        (
            {"position": 0.0, "confidence": 0.0, "consistency": 0.0},
            r"^one of 'position', 'confidence' and 'consistency' must be above 0, got 0 for all three$",
        ),
    ],
)
def test_settings_that_are_none(setting, message):
    """Each message names the setting and what is allowed."""
    with pytest.raises(ValueError, match=message):
        DESCRIPTOR.config(**setting)
