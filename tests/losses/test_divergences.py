"""``reverse-kl``, ``skew-kl`` and ``jensen-shannon`` against SciPy in float64: values, gradients, bounds and limits."""

import math

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax

from shortstack.contracts import LossBatch, ModelOutputs
from shortstack_losses import jensen_shannon, reverse_kl, skew_kl, soft_targets

TEMPERATURES = st.sampled_from([0.5, 1.0, 2.0, 7.0])
SHARES = st.sampled_from([0.01, 0.1, 0.5, 0.9])
ALL = {
    "soft-targets": (soft_targets, {}),
    "reverse-kl": (reverse_kl, {}),
    "skew-kl": (skew_kl, {}),
    "reverse skew-kl": (skew_kl, {"direction": "reverse"}),
    "plain skew-kl": (skew_kl, {"alpha": 0.0}),
    "plain reverse skew-kl": (skew_kl, {"alpha": 0.0, "direction": "reverse"}),
    "jensen-shannon": (jensen_shannon, {}),
    "skewed jensen-shannon": (jensen_shannon, {"beta": 0.9}),
}
EACH = pytest.mark.parametrize("name", ALL)


@st.composite
def logit_pairs(draw, scales=(0.1, 1.0, 8.0)):
    """Draw two float64 logit tables of one shape, from a seed."""
    shape = draw(st.integers(1, 5)), draw(st.integers(2, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return draw(st.sampled_from(scales)) * torch.randn((2, *shape), generator=generator, dtype=torch.float64)


def loss_named(name, **settings):
    """Return a loss by its name in ``ALL``."""
    module, preset = ALL[name]
    return module.DESCRIPTOR.build(module.DESCRIPTOR.config(**{**preset, **settings}))


def built(name, **settings):
    """Return a loss by its name in ``ALL``, as a function of two tables of logits, to the sum."""
    loss = loss_named(name, **settings)

    def value(student, teacher):
        batch = LossBatch(labels=torch.zeros(len(student), dtype=torch.long), mask=torch.ones(1, 1, dtype=torch.bool))
        return loss(ModelOutputs(logits=student), ModelOutputs(logits=teacher), batch, None)

    return value


def kl(a, b):
    """Return SciPy's relative entropy, summed."""
    return rel_entr(a, b).sum()


def distributions(pair, t=1.0):
    """Return ``q`` of the student and ``p`` of the teacher, by SciPy."""
    return (softmax(logits.numpy() / t, axis=-1) for logits in pair)


def near(expected):
    """Return a comparison in float64."""
    return pytest.approx(expected, rel=1e-9, abs=1e-11)


@given(logit_pairs(), TEMPERATURES)
def test_reverse_kl(pair, t):
    """T² KL(q ‖ p)."""
    q, p = distributions(pair, t)

    assert near(t**2 * kl(q, p)) == built("reverse-kl", temperature=t)(*pair).item()


@given(logit_pairs(), TEMPERATURES, SHARES)
def test_skew_kl(pair, t, alpha):
    """T² KL(p ‖ α p + (1 − α) q), and with the models exchanged."""
    q, p = distributions(pair, t)
    forward, reverse = (built(name, temperature=t, alpha=alpha)(*pair) for name in ("skew-kl", "reverse skew-kl"))

    assert near(t**2 * kl(p, alpha * p + (1 - alpha) * q)) == forward.item()
    assert near(t**2 * kl(q, alpha * q + (1 - alpha) * p)) == reverse.item()


@given(logit_pairs(), TEMPERATURES)
def test_without_skew_it_is_the_plain_divergence(pair, t):
    """At α = 0 both directions are ``soft-targets`` and ``reverse-kl``, bit for bit."""
    for skewed, plain in (("plain skew-kl", "soft-targets"), ("plain reverse skew-kl", "reverse-kl")):
        assert torch.equal(built(plain, temperature=t)(*pair), built(skewed, temperature=t)(*pair))


@given(logit_pairs(), TEMPERATURES, SHARES)
def test_jensen_shannon(pair, t, beta):
    """T² (β KL(p ‖ m) + (1 − β) KL(q ‖ m)), the mixture ``m`` with ``β`` of the teacher."""
    q, p = distributions(pair, t)
    m = beta * p + (1 - beta) * q

    assert (
        near(t**2 * (beta * kl(p, m) + (1 - beta) * kl(q, m)))
        == built("jensen-shannon", temperature=t, beta=beta)(*pair).item()
    )


@given(logit_pairs(scales=(0.1, 1.0)))
def test_limits_of_jensen_shannon(pair):
    """Divided by its small share it tends to the forward KL as β → 0, to the reverse as β → 1; undivided, to 0."""
    q, p = distributions(pair)
    for share in (1e-4, 1e-6):
        first = built("jensen-shannon", beta=share)(*pair).item()
        last = built("jensen-shannon", beta=1 - share)(*pair).item()
        # the error is of the order of share · χ²(p, q), which logits of this size keep below 1e3
        allowed = {"rel": 1e3 * share, "abs": 1e-9 + 1e3 * share}

        assert pytest.approx(kl(p, q), **allowed) == first / share
        assert pytest.approx(kl(q, p), **allowed) == last / share
        assert 0.0 <= first <= 1.01 * share * kl(p, q) + 1e-12


@EACH
@given(pair=logit_pairs(scales=(0.1, 1.0)), t=TEMPERATURES)
def test_gradient(name, pair, t):
    """Backwards is what finite differences say."""
    student, teacher = pair[0].clone().requires_grad_(), pair[1]

    assert torch.autograd.gradcheck(
        lambda s: built(name, temperature=t)(s, teacher), student, eps=1e-6, atol=1e-5, rtol=1e-4
    )


@given(logit_pairs(), TEMPERATURES)
def test_gradient_of_reverse_kl(pair, t):
    """T q (log q/p − KL(q ‖ p)), by its closed form."""
    student = pair[0].clone().requires_grad_()
    built("reverse-kl", temperature=t)(student, pair[1]).backward()
    q, p = distributions(pair, t)
    ratio = np.log(q / p)
    expected = t * q * (ratio - (q * ratio).sum(-1, keepdims=True))

    assert np.allclose(expected, student.grad.numpy(), rtol=1e-9, atol=1e-11)


@given(logit_pairs(), TEMPERATURES, SHARES)
def test_gradient_of_jensen_shannon(pair, t, beta):
    """T (1 − β) q (log q/m − KL(q ‖ m)), by its closed form: what goes through the mixture cancels."""
    student = pair[0].clone().requires_grad_()
    built("jensen-shannon", temperature=t, beta=beta)(student, pair[1]).backward()
    q, p = distributions(pair, t)
    ratio = np.log(q / (beta * p + (1 - beta) * q))
    expected = t * (1 - beta) * q * (ratio - (q * ratio).sum(-1, keepdims=True))

    assert np.allclose(expected, student.grad.numpy(), rtol=1e-8, atol=1e-11)


@EACH
@given(pair=logit_pairs(), nearness=st.sampled_from([0.0, 1e-7, 1e-4, 1e-2]), t=TEMPERATURES)
def test_never_negative_and_still_taught(name, pair, nearness, t):
    """No sum in float32 is below 0, however near the models; the gradient is that of float64 nevertheless."""
    student, teacher = pair[0].float(), (pair[0] + nearness * pair[1]).float()
    loss, grads = built(name, temperature=t), []
    for dtype in (torch.float32, torch.float64):
        leaf = student.to(dtype, copy=True).requires_grad_()
        value = loss(leaf, teacher.to(dtype))
        value.backward()
        grads.append(leaf.grad.double())

        assert value.item() >= 0.0
    assert (grads[0] - grads[1]).abs().max() <= 4e-6 * max(t, 1 / t) * max(1.0, float(pair.abs().max()))


@EACH
def test_rows_that_rounding_makes_negative_keep_their_gradient(name):
    """Among many nearly equal rows some would be negative in float32; each is at least 0, and none loses its gradient."""
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn((2_000, 7), generator=generator)
    student = (teacher + 1e-4 * torch.randn((2_000, 7), generator=generator)).requires_grad_()
    values = loss_named(name).terms(student, teacher)
    values.sum().backward()

    assert values.min() >= 0.0
    assert student.grad.abs().amax(-1).min() > 0.0


@EACH
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_candidates_that_the_teacher_rules_out(name, dtype):
    """Value and gradient are finite where the teacher alone, or both models, give −∞, or where logits are ±1e4."""
    inf = torch.inf
    student = torch.tensor([[1e4, -1e4, 0.0, -inf], [0.5, 2.0, 0.0, 1.0]], dtype=dtype, requires_grad=True)
    teacher = torch.tensor([[-1e4, 1e4, 0.0, -inf], [-inf, 0.0, 3.0, -inf]], dtype=dtype)
    value = built(name)(student, teacher)
    value.backward()

    assert value.isfinite()
    assert value.dtype == torch.promote_types(dtype, torch.float32)
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("name", ["reverse-kl", "reverse skew-kl", "plain reverse skew-kl"])
@given(pair=logit_pairs())
def test_reverse_divergences_are_over_the_teachers_candidates(name, pair):
    """A candidate that the teacher rules out changes nothing, and has no gradient."""
    student = torch.cat([pair[0], torch.full_like(pair[0][:, :1], 3.0)], dim=-1).requires_grad_()
    teacher = torch.cat([pair[1], torch.full_like(pair[1][:, :1], -torch.inf)], dim=-1)
    value = built(name)(student, teacher)
    value.backward()

    assert near(built(name)(*pair).item()) == value.item()
    assert not student.grad[:, -1].any()


@pytest.mark.parametrize("name", ["skew-kl", "reverse skew-kl", "jensen-shannon"])
@given(pair=logit_pairs(scales=(8.0, 100.0)), share=SHARES, t=TEMPERATURES)
def test_bounds_are_as_promised_with_every_setting(name, pair, share, t):
    """No row is above the trait ``upper``, which opposite rows reach."""
    module, preset = ALL[name]
    settings = {**preset, "temperature": t, ("beta" if name == "jensen-shannon" else "alpha"): share}
    upper = module.DESCRIPTOR.traits_with(module.DESCRIPTOR.config(**settings)).upper
    opposite = torch.tensor([[1e4, -1e4]], dtype=torch.float64)

    assert built(name, **settings)(*pair).item() <= len(pair[0]) * upper * (1 + 1e-9)
    assert near(upper) == built(name, **settings)(opposite, -opposite).item()


def test_promises_depend_on_the_settings():
    """Jensen–Shannon is symmetric for equal shares alone; without skew nothing bounds the KL."""
    promised = {
        beta: jensen_shannon.jensen_shannon_traits(jensen_shannon.JensenShannonSettings(beta=beta))
        for beta in (0.5, 0.3)
    }

    assert promised[0.5].symmetric
    assert not promised[0.3].symmetric
    assert pytest.approx(math.log(2)) == jensen_shannon.DESCRIPTOR.traits.upper
    assert pytest.approx(math.log(10)) == skew_kl.DESCRIPTOR.traits.upper
    assert skew_kl.skew_kl_traits(skew_kl.SkewKLSettings(alpha=0.0)).upper is None


@EACH
def test_missing_logits_are_said(name):
    """A loss called without what it needs says so, by its name."""
    with pytest.raises(TypeError, match=rf"^{name.split()[-1]} needs the logits of both models$"):
        built(name)(torch.zeros(1, 2), None)


@EACH
@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_temperatures_that_are_none(name, temperature):
    """A temperature is a finite number above 0."""
    with pytest.raises(ValueError, match=r"'temperature' must be [<>]"):
        ALL[name][0].DESCRIPTOR.config(temperature=temperature)


@pytest.mark.parametrize("alpha", [-0.1, 1.0, 1.5, float("nan")])
def test_alphas_that_are_none(alpha):
    """At 1 a distribution would be compared with itself; the message shows the range."""
    with pytest.raises(ValueError, match=rf"^'alpha' must be in \[0, 1\): {alpha}$"):
        skew_kl.SkewKLSettings(alpha=alpha)


@pytest.mark.parametrize("beta", [-0.5, 0.0, 1.0, 2.0, float("nan")])
def test_betas_that_are_none(beta):
    """At 0 and 1 the loss would be 0 for all; the message shows the range."""
    with pytest.raises(ValueError, match=rf"^'beta' must be in \(0, 1\): {beta}$"):
        jensen_shannon.JensenShannonSettings(beta=beta)


def test_directions_that_are_none():
    """The setting names the two that there are."""
    with pytest.raises(ValueError, match=r"'direction' must be in \['forward', 'reverse'\]"):
        skew_kl.SkewKLSettings(direction="both")


def test_defaults_are_the_papers():
    """DistiLLM's α, GKD's even β, and no temperature."""
    assert attrs.asdict(skew_kl.SkewKLSettings()) == {"alpha": 0.1, "direction": "forward", "temperature": 1.0}
    assert attrs.asdict(jensen_shannon.JensenShannonSettings()) == {"beta": 0.5, "temperature": 1.0}
    assert attrs.asdict(reverse_kl.ReverseKLSettings()) == {"temperature": 1.0}
