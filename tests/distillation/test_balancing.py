"""Balancing: the numbers, the names, and the messages."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack.distillation.balancing import Balancing, Ema, Fixed, make_balancing
from shortstack.errors import ConfigurationError, UnknownNameError

WEIGHTS = {"labels": 1.0, "soft-targets": 3.0}
EVERY_OTHER = Ema(decay=0.5)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.floats(0, 0.99))
def test_ema_is_the_weighted_mean_of_the_past(means, decay):
    """The magnitude is Σ dⁿ⁻ⁱ|L_i| / Σ dⁿ⁻ⁱ, which is what the correction for the start amounts to."""
    balancing, memory = Ema(decay=decay), {}
    for mean in means:
        memory = balancing.remember(memory, {"labels": -mean})
    weights = decay ** np.arange(len(means))[::-1]
    expected = 1 / np.average(means, weights=weights)

    assert pytest.approx(expected, rel=1e-9) == balancing.multipliers({"labels": 7.0}, memory)["labels"]


def test_ema_weights_mean_shares():
    """With steady losses, each one's part of the total is its share of the weights, regardless of its size."""
    means, memory, balancing = {"labels": 1000.0, "soft-targets": 0.01}, {}, Ema()
    for _ in range(3):
        memory = balancing.remember(memory, means)
    multipliers = balancing.multipliers(WEIGHTS, memory)

    assert pytest.approx({"labels": 0.25, "soft-targets": 0.75}) == {n: m * means[n] for n, m in multipliers.items()}


def test_ema_before_the_first_step_goes_by_the_weights():
    """Before the first step, EMA uses the weights, as no magnitude is known yet."""
    assert {"labels": 0.25, "soft-targets": 0.75} == Ema().multipliers(WEIGHTS, {})


def test_ema_leaves_out_losses_without_terms():
    """Their magnitude stays as it was; the given memory is not changed."""
    before = EVERY_OTHER.remember({}, {"labels": 2.0, "soft-targets": 4.0})
    after = EVERY_OTHER.remember(before, {"labels": 6.0})

    assert before["soft-targets"] == after["soft-targets"]
    assert before["labels"] == (1.0, 0.5)
    assert after["labels"] == (3.5, 0.75)


def test_ema_of_nothing_stays_finite():
    """A loss that is exactly 0 is clamped to a small minimum."""
    balancing = Ema(floor=0.01)
    memory = balancing.remember({}, {"labels": 0.0})

    assert pytest.approx(100.0) == balancing.multipliers({"labels": 1.0}, memory)["labels"]


def test_fixed_is_the_weights():
    """Fixed balancing returns the weights, and keeps no state."""
    assert Fixed().multipliers(WEIGHTS, {}) == WEIGHTS
    assert Fixed().remember({}, {"labels": 5.0}) == {}


def test_memory_survives_json():
    """Memory survives JSON exactly, as checkpoints store it so."""
    memory = Ema().remember({}, {"labels": 1 / 3})

    assert {name: list(pair) for name, pair in memory.items()} == json.loads(json.dumps(memory))


@pytest.mark.parametrize(
    ("given_as", "expected"),
    [
        ("fixed", Fixed()),
        ("ema", Ema()),
        ({"name": "ema", "decay": 0.9}, Ema(decay=0.9)),
        (Ema(decay=0.1), Ema(decay=0.1)),
    ],
)
def test_names_and_objects(given_as, expected):
    """Balancing is given by a name, a table, or an object."""
    assert expected == make_balancing(given_as)
    assert isinstance(make_balancing(given_as), Balancing)


HALF = Ema(decay=0.5)


def test_module_and_attribute(monkeypatch, tmp_path):
    """Anything importable that is a balancing."""
    (tmp_path / "my_balancing.py").write_text(
        "from shortstack.distillation.balancing import Ema\nmine = Ema(decay=0.5)\nnone = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    assert make_balancing("my_balancing:mine") == HALF
    with pytest.raises(ConfigurationError, match=r"^balancing my_balancing:none is no object with the methods"):
        make_balancing("my_balancing:none")
    with pytest.raises(
        ConfigurationError, match=r"^balancing 'my_balancing:absent' cannot be imported: my_balancing has no 'absent'$"
    ):
        make_balancing("my_balancing:absent")
    with pytest.raises(
        ConfigurationError, match=r"^balancing 'my_balancing:mine' is an object of its own and takes no"
    ):
        make_balancing({"name": "my_balancing:mine", "decay": 0.1})


def test_mistakes_are_named():
    """An unknown name, an unknown setting, a value out of range, and a class where an object is due."""
    with pytest.raises(UnknownNameError, match=r"^unknown balancing 'emma'; did you mean 'ema'"):
        make_balancing("emma")
    with pytest.raises(UnknownNameError, match=r"^unknown setting of balancing 'ema': 'decey'; did you mean 'decay'"):
        make_balancing({"name": "ema", "decey": 0.9})
    with pytest.raises(ConfigurationError, match=r"'decay' must be < 1"):
        make_balancing({"name": "ema", "decay": 1.0})
    with pytest.raises(ConfigurationError, match=r"is no object with the methods multipliers and remember"):
        make_balancing(Ema)
