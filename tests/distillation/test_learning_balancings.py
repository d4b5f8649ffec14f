"""Balancings that learn: against independent float64 loops, under any order of the losses, and what they refuse."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shortstack.distillation.balancing import (
    BALANCINGS,
    Dwa,
    GradNorm,
    Linear,
    StepBalancing,
    TrainedStep,
    Uncertainty,
    make_balancing,
    remembered,
)
from shortstack.errors import ConfigurationError, UnknownNameError

NAMES = ("labels", "soft-targets", "hidden-states")
WEIGHTS = dict(zip(NAMES, (1.0, 3.0, 0.5), strict=True))
TABLES = [
    "fixed",
    "ema",
    "uncertainty",
    {"name": "dwa", "interval": 2},
    "gradnorm",
    {"name": "linear", "start": {"labels": 4.0}, "end": {"soft-targets": 0.0}},
]
NUMBERS = st.floats(0.01, 100.0)
COURSES = st.lists(st.tuples(*[st.tuples(NUMBERS, NUMBERS)] * len(NAMES)), min_size=1, max_size=9)
"""For each step, for each loss: its mean and its gradient norm."""


def course(balancing, steps, weights):
    """Return the multipliers before the first step and after each."""
    memory, seen = {}, [balancing.multipliers(weights, {})]
    for number, measured in enumerate(steps, 1):
        pairs = dict(zip(NAMES, measured, strict=True))
        step = TrainedStep(
            number=number,
            steps=len(steps),
            weights=weights,
            multipliers=seen[-1],
            means={name: pairs[name][0] for name in weights},
            gradient_norms={name: pairs[name][1] for name in weights},
        )
        memory = remembered(balancing, memory, step)
        seen.append(balancing.multipliers(weights, memory))
    return seen


def numbers(courses):
    """Return the multipliers of each step as a float64 matrix, in the order of ``NAMES``."""
    return np.array([[multipliers[name] for name in NAMES] for multipliers in courses])


def name_of(table):
    """Return the name in a table."""
    return table if isinstance(table, str) else table["name"]


def test_every_built_in_is_tried():
    """The laws below are about all balancings that have a name."""
    assert set(BALANCINGS) == set(map(name_of, TABLES))


@given(COURSES, st.permutations(NAMES))
def test_the_order_of_losses_does_not_matter(steps, order):
    """The same losses in another order have the same multipliers."""
    for table in TABLES:
        balancing = make_balancing(table)
        other = course(balancing, steps, {name: WEIGHTS[name] for name in order})

        np.testing.assert_allclose(numbers(other), numbers(course(balancing, steps, WEIGHTS)), rtol=1e-12)


@given(COURSES)
def test_uncertainty_is_adam_on_its_objective(steps):
    """The closed form takes the steps of ``torch.optim.Adam`` on ``Σ w (L / 2eˢ + s / 2)``."""
    weights = torch.tensor([*WEIGHTS.values()], dtype=torch.float64)
    logs = torch.full((3,), -0.5, dtype=torch.float64, requires_grad=True)
    optimiser, expected = torch.optim.Adam([logs], lr=0.025), [weights / 2 * math.exp(0.5)]
    for step in steps:
        means = torch.tensor([mean for mean, _ in step], dtype=torch.float64)
        optimiser.zero_grad()
        (means / (2 * logs.exp()) + logs / 2).sum().backward()
        optimiser.step()
        expected.append(weights / (2 * logs.detach().exp()))

    np.testing.assert_allclose(numbers(course(Uncertainty(), steps, WEIGHTS)), torch.stack(expected), rtol=1e-9)


@pytest.mark.parametrize("weight", [1.0, 2.0])
def test_uncertainty_settles_at_the_losses(weight):
    """At the optimum, ``s = log L``, each term of the total is half its weight, whatever the size of the loss."""
    steps = [((5.0, 1.0), (0.2, 1.0), (1.0, 1.0))] * 600
    weights = {**WEIGHTS, "soft-targets": weight}
    last = course(Uncertainty(), steps, weights)[-1]

    assert pytest.approx(0.5, rel=0.01) == last["labels"] * 5.0
    assert pytest.approx(weight / 2, rel=0.01) == last["soft-targets"] * 0.2


@given(COURSES, st.integers(1, 4), st.floats(0.5, 5.0))
def test_dwa_is_the_softmax_of_ratios(steps, interval, temperature):
    """``w K softmax(r / T)``, ``r`` the ratio of the means of the last two whole intervals; 1 before there are two."""
    means = np.array([[mean for mean, _ in step] for step in steps])
    for done, multipliers in enumerate(
        numbers(course(Dwa(temperature=temperature, interval=interval), steps, WEIGHTS))
    ):
        whole = means[: done // interval * interval].reshape(-1, interval, 3).mean(1)
        ratios = whole[-1] / whole[-2] if len(whole) > 1 else np.ones(3)
        parts = np.exp(ratios / temperature - np.max(ratios / temperature))

        np.testing.assert_allclose(multipliers, [*WEIGHTS.values()] * (3 * parts / parts.sum()), rtol=1e-9)


@settings(max_examples=50)
@given(COURSES, st.floats(0.0, 3.0))
def test_gradnorm_is_adam_on_its_objective(steps, alpha):
    """The closed form takes the steps of ``torch.optim.Adam`` on ``Σ |G − target|`` over the multipliers' logarithms."""
    weights = torch.tensor([*WEIGHTS.values()], dtype=torch.float64)
    logs = weights.log().requires_grad_()
    optimiser, expected = torch.optim.Adam([logs], lr=0.025), [weights]
    first = torch.tensor([mean for mean, _ in steps[0]], dtype=torch.float64)
    for step in steps:
        means, norms = torch.tensor(step, dtype=torch.float64).T
        rates = means / first / (means / first).mean()
        ours = logs.exp() * (weights.sum() / logs.detach().exp().sum()) * norms
        targets = (weights / weights.mean() * ours.mean() * rates**alpha).detach()
        assume(((ours - targets).abs() > 1e-9 * targets).all())  # else the sign is one of rounding
        optimiser.zero_grad()
        (ours - targets).abs().sum().backward()
        optimiser.step()
        expected.append((logs.exp() * (weights.sum() / logs.exp().sum())).detach())

    np.testing.assert_allclose(numbers(course(GradNorm(alpha=alpha), steps, WEIGHTS)), torch.stack(expected), rtol=1e-7)


def test_gradnorm_makes_gradients_of_one_size():
    """A loss whose gradient is ten times the other's ends with a tenth of its weight; the sum stays."""
    steps = [((1.0, 10.0), (1.0, 1.0), (1.0, 1.0))] * 300
    last = course(GradNorm(), steps, dict.fromkeys(NAMES, 1.0))[-1]

    assert pytest.approx(0.1, rel=0.1) == last["labels"] / last["soft-targets"]
    assert pytest.approx(3.0) == sum(last.values())


def test_gradnorm_pulls_the_loss_that_is_behind():
    """Of two losses with equal gradients, the one that has not fallen gains weight; without alpha neither does."""
    steps = [((1.0, 1.0), (1.0, 1.0), (1.0, 1.0)), *[((0.2, 1.0), (1.0, 1.0), (0.6, 1.0))] * 9]
    pulled, level = (course(GradNorm(alpha=alpha), steps, dict.fromkeys(NAMES, 1.0))[-1] for alpha in (1.5, 0.0))

    assert pulled["soft-targets"] > 1.05
    assert pulled["labels"] < 0.95
    assert pytest.approx(dict.fromkeys(NAMES, 1.0)) == level


@given(st.integers(1, 50), st.floats(0, 9), st.floats(0.1, 9))
def test_linear_is_a_straight_line(steps, start, end):
    """From ``start`` at the first step to ``end`` at the last; a loss that neither names keeps its weight."""
    balancing = Linear(start={"labels": start}, end={"labels": end})
    seen = course(balancing, [((1.0, 1.0),) * 3] * steps, WEIGHTS)[:steps]

    np.testing.assert_allclose([m["labels"] for m in seen], np.linspace(start, end, steps), rtol=1e-12, atol=1e-12)
    assert {m["soft-targets"] for m in seen} == {3.0}


@pytest.mark.parametrize("table", TABLES)
def test_a_loss_without_terms_is_left_alone(table):
    """A step in which a loss has no terms leaves what is remembered of it, and gives it a multiplier still."""
    balancing = make_balancing(table)
    means, norms = dict.fromkeys(NAMES, 2.0), dict.fromkeys(NAMES, 1.0)
    known = {"steps": 9, "weights": WEIGHTS, "multipliers": WEIGHTS}
    before = remembered(balancing, {}, TrainedStep(number=1, means=means, gradient_norms=norms, **known))
    few = {"labels": 1.0}
    after = remembered(balancing, before, TrainedStep(number=3, means=few, gradient_norms=few, **known))

    assert balancing.multipliers(WEIGHTS, after).keys() == WEIGHTS.keys()
    if table not in ("fixed", TABLES[-1]):  # which remember nothing of losses
        assert before["soft-targets"] == after["soft-targets"]
        assert before["labels"] != after["labels"]


@pytest.mark.parametrize("name", ["uncertainty", "dwa", "gradnorm"])
def test_negative_losses_are_refused(name):
    """The message names the loss, its value, the step and the way out; what is negative by rounding is 0."""
    balancing, known = make_balancing(name), {"number": 7, "steps": 9, "weights": WEIGHTS, "multipliers": WEIGHTS}
    norms = dict.fromkeys(NAMES, 1.0)
    means = {**dict.fromkeys(NAMES, 1.0), "soft-targets": -0.25}
    with pytest.raises(
        ConfigurationError,
        match=rf"^the loss 'soft-targets' is -0\.25 at step 7, but balancing '{name}' takes no loss that can be negative; "
        r"use 'fixed' or 'ema'$",
    ):
        balancing.learn({}, TrainedStep(means=means, gradient_norms=norms, **known))

    rounded, zero = (
        balancing.learn({}, TrainedStep(means={**means, "soft-targets": mean}, gradient_norms=norms, **known))
        for mean in (-1e-6, 0.0)
    )
    assert zero == rounded
    assert all(math.isfinite(value) for value in balancing.multipliers(WEIGHTS, zero).values())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"name": "linear"},
            r"^balancing 'linear' needs weights to go between, for example start = \{ labels = 1.0 \}",
        ),
        (
            {"name": "linear", "end": {"labels": -1.0}},
            r"^balancing 'linear' takes weights of 0 and above, got end\.labels = -1\.0",
        ),
        ({"name": "dwa", "temperature": 0.0}, r"'temperature' must be > 0"),
        ({"name": "dwa", "interval": 0}, r"'interval' must be >= 1"),
        ({"name": "gradnorm", "alpha": -1.0}, r"'alpha' must be >= 0"),
        ({"name": "uncertainty", "learning_rate": 0.0}, r"'learning_rate' must be > 0"),
    ],
)
def test_settings_out_of_range(table, message):
    """Each is named."""
    with pytest.raises(ConfigurationError, match=message):
        make_balancing(table)


def test_linear_knows_the_losses():
    """A name that is no loss, and a training in which nothing weighs anything."""
    with pytest.raises(
        UnknownNameError, match=r"^unknown loss in end of balancing 'linear': 'lables'; did you mean 'labels'"
    ):
        Linear(end={"lables": 0.0}).multipliers(WEIGHTS, {})
    with pytest.raises(
        ConfigurationError,
        match=r"^balancing 'linear' gives every loss the weight 0 at its start, so nothing is learnt",
    ):
        Linear(start={"labels": 0.0}).multipliers({"labels": 1.0}, {})


def test_which_learn_from_steps():
    """Those are recognised by their methods; the others go by the means alone."""
    learning = {name_of(table) for table in TABLES if isinstance(make_balancing(table), StepBalancing)}

    assert learning == {"uncertainty", "dwa", "gradnorm", "linear"}
