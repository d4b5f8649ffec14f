"""Budgets: what they allow, what they say, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack.config.amounts import written
from shortstack.config.budget import Budget, Cost
from shortstack.errors import ConfigurationError


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


def test_limits_are_shares_or_amounts():
    """A share is of what the teacher costs; an amount is itself."""
    cost = Cost(layers=(10, 10, 21), fixed=60)

    assert 50 == Budget(parameters="50%").limit(cost)  # half of 101, for half a parameter is none
    assert 50.5 == Budget(latency_ms="50%").limit(cost)  # milliseconds come in halves
    assert 70 == Budget(bytes=70).limit(cost)
    assert 70 == Budget(cache_bytes=70.0).limit(cost)  # 7e1 in a TOML file
    assert 2.5 == Budget(latency_ms=2.5).limit(cost)
    assert 400_000 == Budget(parameters="400K").limit(cost)
    assert 20 == Budget(parameters="50%").limit(Cost(layers=(10, 10), whole=40))  # of a wider teacher


@given(st.integers(1, 10**12), st.sampled_from(["", "K", "M", ".5M"]))
def test_commas_separate_thousands(count, rest):
    """The same amount with and without them, and a comma anywhere else is refused."""
    plain, grouped = f"{count}{rest}", f"{count:,}{rest}"

    assert written(plain) == written(grouped)
    for place in range(len(plain)):
        comma = f"{plain[:place]},{plain[place:]}"
        if comma != grouped:
            with pytest.raises(ConfigurationError, match="a comma in an amount separates groups of three digits"):
                written(comma)


def test_what_a_cost_is_of():
    """A cost is a constant part plus that of the layers that stay."""
    assert 91 == Cost(layers=(10, 10, 21), fixed=60).of([0, 2])
    assert 60 == Cost(layers=(10, 10, 21), fixed=60).of([])


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(keep_ratio=0.25), "keep 25% of 12 layers"),
        (Budget(keep_layers=3), "keep 3 of 12 layers"),
        (Budget(parameters="50%"), "keep 50% of the parameters"),
        (Budget(parameters=35_000_000), "keep at most 35,000,000 parameters"),
        (Budget(body_parameters="10%"), "keep 10% of the body parameters (without embeddings and output rows)"),
        (Budget(bytes=2_000_000), "keep at most 2,000,000 bytes on disk"),
        (Budget(cache_bytes="25%"), "keep 25% of the bytes of cache a token"),
        (Budget(latency_ms=1.5), "keep at most 1.5 milliseconds a user"),
    ],
)
def test_a_budget_in_words(budget, words):
    """The record says the budget in words."""
    assert words == budget.describe(of=12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {},
            "a budget is exactly one of keep_layers, keep_ratio, parameters, body_parameters, bytes, cache_bytes or latency_ms; got none of them",
        ),
        ({"keep_layers": 2, "keep_ratio": 0.5}, "a budget is exactly one of .*; got keep_layers and keep_ratio"),
        ({"keep_ratio": 0.0}, "keep_ratio must be above 0 and at most 1, got 0.0"),
        ({"keep_ratio": 1.5}, "keep_ratio must be above 0 and at most 1, got 1.5"),
        ({"keep_ratio": float("nan")}, "keep_ratio must be above 0 and at most 1, got nan"),
        ({"keep_layers": 0}, "keep_layers must be a whole number of layers from 1, got 0"),
        ({"keep_layers": True}, "keep_layers must be a whole number of layers from 1, got True"),
        ({"keep_layers": "25%"}, "keep_layers must be a whole number of layers from 1, got '25%'"),
        ({"keep_ratio": "150%"}, "keep_ratio must be above 0 and at most 1, got 1.5"),
        (
            {"parameters": 0.0},
            'parameters must be a whole count from 1, such as 35M, or a share such as "25%", got 0$',
        ),
        ({"body_parameters": 1.5}, "body_parameters must be a whole count from 1, .*, got 1.5$"),
        ({"bytes": -5}, "bytes must be a whole count from 1, .*, got -5$"),
        ({"bytes": "0%"}, "bytes must be a whole count from 1, .*, got '0%'$"),
        ({"bytes": "101%"}, "bytes must be a whole count from 1, .*, got '101%'$"),
        ({"bytes": "much"}, "an amount is a number, one with K, M, G or T, or a share such as 25%, got 'much'"),
        ({"parameters": "1,5M"}, "and a point separates decimals; got '1,5M', for which write 1.5M$"),
        ({"latency_ms": "1,5"}, "a comma in an amount separates groups of three digits, .* for which write 1.5$"),
        ({"keep_ratio": "2,5%"}, "got '2,5%', for which write 2.5%$"),
        ({"bytes": "1,00,000"}, "as in 1,500,000, and a point separates decimals; got '1,00,000'$"),
        ({"bytes": "%"}, "an amount is a number, one with K, M, G or T, or a share such as 25%, got '%'"),
        ({"cache_bytes": True}, "cache_bytes must be a whole count from 1, .*, got True$"),
        (
            {"latency_ms": float("inf")},
            'latency_ms must be a number of milliseconds above 0, or a share such as "25%", got',
        ),
        ({"latency_ms": 0}, "latency_ms must be a number of milliseconds above 0, .*, got 0$"),
        ({"parameters": 0.25}, 'a share such as "25%", got 0.25; for that share write "25%"$'),
        ({"bytes": 0.125}, 'got 0.125; for that share write "12.5%"$'),
    ],
)
def test_impossible_budgets_are_refused(settings, message):
    """The error is one line that names the value and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        Budget(**settings)


def test_more_layers_than_there_are():
    """The teacher's depth is known only when layers are counted."""
    with pytest.raises(ConfigurationError, match="keep_layers is 13, but the teacher has only 12 layers"):
        Budget(keep_layers=13).layers(of=12)


def test_a_budget_of_numpys_numbers():
    """A loop over an array gives these; what is kept of them are Python's, which a record can hold."""
    budgets = [Budget(keep_layers=np.int64(3)), Budget(keep_ratio=np.float32(0.25)), Budget(parameters=np.int32(5))]

    assert budgets == [Budget(keep_layers=3), Budget(keep_ratio=0.25), Budget(parameters=5)]
    assert [type(budget.given) for budget in budgets] == [int, float, int]


def test_a_budget_shows_what_it_is():
    """A budget's repr shows only what was set."""
    assert "Budget(keep_ratio=0.25)" == repr(Budget(keep_ratio=0.25))


@pytest.mark.parametrize("measure", ["parameters", "body_parameters", "bytes", "cache_bytes", "latency_ms"])
@given(amount=st.integers(1, 10**12))
def test_the_type_of_a_number_says_nothing(measure, amount):
    """``1`` and ``1.0`` are one amount, and so are all ways to write it: only a percent sign makes a share."""
    cost = Cost(layers=(10, 10, 21), fixed=60)
    forms = [amount, float(amount), str(amount), f"{amount:_}", f"{amount:,}", f" {amount}.0 "]

    assert {amount} == {Budget(**{measure: form}).limit(cost) for form in forms}
    assert 101 == Budget(**{measure: "100%"}).limit(cost) == Budget(**{measure: " 100.0 %"}).limit(cost)


def test_milliseconds_below_one_are_milliseconds():
    """A small model takes less than one a user."""
    cost = Cost(layers=(10, 10, 21), fixed=60)

    assert 0.5 == Budget(latency_ms=0.5).limit(cost) == Budget(latency_ms="0.5").limit(cost)
    assert 1 == Budget(latency_ms=1).limit(cost) == Budget(latency_ms=1.0).limit(cost)
    assert Budget(latency_ms=0.5).describe(of=3) == "keep at most 0.5 milliseconds a user"
