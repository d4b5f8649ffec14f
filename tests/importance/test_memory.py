"""Memory of a sweep: nothing is kept of a finished layer."""

import gc

import attrs
import pytest
import torch

from shortstack.contracts import Importance, Signal
from shortstack.importance.measure import measure_importance
from shortstack.models.parameter_gradients import _Call


def held_calls():
    """Count the layer calls that are held anywhere."""
    return sum(type(thing) is _Call for thing in gc.get_objects())


@attrs.frozen
class Counting:
    """A fold that counts the calls of modules whose tensors are still held when a layer is done."""

    needs: frozenset = frozenset({Signal.PARAMETER_GRADIENTS})
    held: dict = attrs.field(factory=dict)

    def start(self, model):
        """Number of calls held before the test: a test that failed on purpose may hold some."""
        gc.collect()
        return held_calls()

    def update(self, state, signals):
        """Record the calls still held; layers arrive last to first."""
        self.held[signals.layer] = held_calls() - state
        return state

    def merge(self, left, right):
        """Return no state."""

    def finish(self, state):
        """Return arbitrary scores."""
        return Importance(scores=torch.zeros(3, dtype=torch.float64), examples=1)


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_a_layer_that_is_done_is_let_go(family, tiny, batch, registry):
    """The graph lives on, with the hooks on it; all inputs and gradients would stay if those held them."""
    counting, model = Counting(), tiny(family, torch.float32)
    measure_importance(model, [batch], {"mine": counting}, registry=registry)
    left = [counting.held[layer] for layer in range(3)]

    a_layer = left[1]
    assert a_layer > 0
    assert [0, a_layer, 2 * a_layer] == left
