"""Budgets: what they allow, what they say, and what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack.errors import ConfigurationError
from shortstack.selection.budgets import Budget, Costs


@pytest.mark.parametrize(
    ("ratio", "layers", "expected"),
    [
        (0.25, 12, 3),
        (0.5, 7, 3),  # floor(3.5)
        (0.01, 12, 1),  # never none
        (1.0, 12, 12),
        (0.3, 10, 3),  # 0.3 · 10 is below 3 in floating point for some ratios; the 1e-9 lifts it
        (0.29, 100, 29),  # 28.999999999999996 without the 1e-9
    ],
)
def test_ratio_keeps_the_floor_but_at_least_one(ratio, layers, expected):
    """``max(1, floor(r · L + 1e-9))``."""
    assert expected == Budget(keep_ratio=ratio).layers(of=layers)


@given(keep=st.integers(1, 64), layers=st.integers(1, 64))
def test_a_ratio_k_of_l_keeps_k(keep, layers):
    """The ratio k/L keeps exactly k layers, however k/L rounds."""
    keep = min(keep, layers)

    assert keep == Budget(keep_ratio=keep / layers).layers(of=layers)


def test_parameter_limits_are_shares_or_counts():
    """A share is of the teacher's total or body; a count is itself."""
    costs = Costs(layers=(10, 10, 20), fixed=60, embeddings=50)

    assert 50 == Budget(parameters=0.5).limit(costs)  # half of 100
    assert 25 == Budget(body_parameters=0.5).limit(costs)  # half of 100 − 50
    assert 70 == Budget(parameters=70).limit(costs)
    assert 70 == Budget(parameters=70.0).limit(costs)  # 7e1 in a TOML file
    assert Budget(keep_layers=1).limit(costs) is None
    assert 70 == Budget(parameters=0.5).spent(costs, (0,))
    assert 20 == Budget(body_parameters=0.5).spent(costs, (0,))


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(keep_ratio=0.25), "keep 25% of 12 layers"),
        (Budget(keep_layers=3), "keep 3 of 12 layers"),
        (Budget(parameters=0.5), "keep 50% of the parameters"),
        (Budget(parameters=35_000_000), "keep at most 35,000,000 parameters"),
        (Budget(body_parameters=0.1), "keep 10% of the body parameters (without embeddings and output rows)"),
    ],
)
def test_a_budget_in_words(budget, words):
    """The record says the budget in words."""
    assert words == budget.describe(of=12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "a budget is exactly one of keep_layers, keep_ratio, parameters or body_parameters; got none of them"),
        ({"keep_layers": 2, "keep_ratio": 0.5}, "a budget is exactly one of .*; got keep_layers and keep_ratio"),
        ({"keep_ratio": 0.0}, "keep_ratio must be above 0 and at most 1, got 0.0"),
        ({"keep_ratio": 1.5}, "keep_ratio must be above 0 and at most 1, got 1.5"),
        ({"keep_ratio": float("nan")}, "keep_ratio must be above 0 and at most 1, got nan"),
        ({"keep_layers": 0}, "keep_layers must be a whole number of layers from 1, got 0"),
        ({"keep_layers": True}, "keep_layers must be a whole number of layers from 1, got True"),
        ({"parameters": 0.0}, r"parameters must be a share in \(0, 1\] or a whole count above 1, got 0.0"),
        ({"body_parameters": 1.5}, r"body_parameters must be a share in \(0, 1\] or a whole count above 1, got 1.5"),
    ],
)
def test_impossible_budgets_are_refused(settings, message):
    """One line that names the value and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        Budget(**settings)


def test_more_layers_than_there_are():
    """The teacher's depth is known only when layers are counted."""
    with pytest.raises(ConfigurationError, match="keep_layers is 13, but the teacher has only 12 layers"):
        Budget(keep_layers=13).layers(of=12)
