"""States are serialised and restored unchanged, or the error names the part that cannot be stored."""

from typing import NamedTuple

import attrs
import pytest
import torch

from shortstack.testing.comparing import assert_close, require
from shortstack.testing.states import same_state, stored_and_read
from shortstack.testing.tolerances import DOUBLE, Tolerance


class Pair(NamedTuple):
    """A named tuple."""

    left: int
    right: object


@attrs.frozen(kw_only=True)
class Seen:
    """An attrs state with a private field."""

    _sums: dict
    name: str | None = None


STATES = [
    torch.arange(3.0).double(),
    {0: torch.ones(2), 1: 3.5},
    Pair(2, [torch.zeros(0), True, None]),
    Seen(sums={0: (1, 2), 7: torch.eye(2)}, name="x"),
    (),
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_round_trip(state):
    """Type, tensors and values survive, and nothing is shared."""
    read = stored_and_read(state)

    assert type(read) is type(state)
    assert same_state(read, state)


def test_copies_share_no_memory():
    """The state read back shares no memory with the state written."""
    state = {0: torch.zeros(2)}
    read = stored_and_read(state)
    state[0] += 1

    assert not same_state(read, state)


@pytest.mark.parametrize("other", [{0: torch.ones(3)}, {1: torch.ones(2)}, {0: torch.ones(2), 1: 1}, {0: 1}])
def test_different_states(other):
    """States differ in values, in keys, or in what they hold at all."""
    assert not same_state({0: torch.ones(2)}, other)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({0: {1, 2}}, "state.0 is a set; a state holds tensors, plain values"),
        (Pair(1, torch.nn.Identity()), "state.1 is a Identity; a state holds"),
        (lambda: 0, "state is a function; a state holds"),
    ],
)
def test_what_cannot_be_stored(state, message):
    """The part that cannot be stored is named, with its place."""
    with pytest.raises(TypeError, match=message):
        stored_and_read(state)


class TestComparing:
    """The comparison's failures say what differs."""

    def test_within_tolerance(self):
        """The tolerance is relative to the largest magnitude in either tensor."""
        assert_close(torch.tensor([1.0, 1e9]), torch.tensor([1.5, 1e9]), Tolerance(relative=1e-9), "numbers")

    def test_beyond_tolerance(self):
        """The message gives the place, both values, the distance and the tolerance."""
        with pytest.raises(AssertionError, match=r"numbers: 2\.0 instead of 1\.0 at place 1, 1 apart; tolerated 2e-07"):
            assert_close(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0]), DOUBLE, "numbers")

    @pytest.mark.parametrize("actual", [float("nan"), float("inf")])
    def test_what_is_no_number(self, actual):
        """NaN is never close."""
        with pytest.raises(AssertionError, match="numbers:"):
            assert_close(torch.tensor([actual]), torch.tensor([1.0]), Tolerance(relative=1e9), "numbers")

    def test_shapes(self):
        """Shapes must be equal: nothing is broadcast."""
        with pytest.raises(AssertionError, match=r"numbers: shape \(1,\) instead of \(2,\)"):
            assert_close(torch.zeros(1), torch.zeros(2), DOUBLE, "numbers")

    def test_require(self):
        """``require`` raises with the given message."""
        require(condition=True, problem="nothing")
        with pytest.raises(AssertionError, match="too bad"):
            require(condition=False, problem="too bad")
