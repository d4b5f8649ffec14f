"""``greedy`` and ``adaptive`` against a model whose losses are a table."""

from itertools import combinations, pairwise

import attrs
import pytest
import torch

from shortstack.errors import ConfigurationError, NonFiniteError
from shortstack.selection.probe_strategies import Adaptive, Greedy
from shortstack.selection.selector import AdaptiveLayerSelector, Budget, Cost
from shortstack.selection.strategies import Question, TopK


@attrs.define
class TableProbe:
    """A probe whose loss without some layers is a given function, and which counts its calls."""

    layers: int
    loss: object
    examples: int = 2
    asked: list = attrs.field(factory=list)

    def few(self, examples):
        """Return the probe: all examples are alike."""
        return self

    def log_probability(self, *, skip=()):
        """Return two examples whose mean is minus the loss."""
        self.asked.append(tuple(skip))
        loss = self.loss(frozenset(skip))
        return torch.tensor([-loss - 1.0, -loss + 1.0], dtype=torch.float64)


def interacting(skip):
    """Return a loss in which layers 1 and 2 replace each other: either may go alone, not both."""
    alone = {0: 5.0, 1: 0.1, 2: 0.2, 3: 0.5}
    return sum(alone[layer] for layer in skip) + (10.0 if {1, 2} <= skip else 0.0)


def test_greedy_measures_again_after_each_drop():
    """Scored once, 1 and 2 would go; measured again after 1 went, 2 is needed and 3 goes."""
    probe = TableProbe(4, interacting)

    choice = Greedy().choose(Question(scores=(0.0,) * 4, probe=probe), 2)

    assert (0, 2) == choice.kept
    assert "in 7 passes" in choice.reason  # 4 + 3
    assert [(0,), (1,), (2,), (3,), (0, 1), (1, 2), (1, 3)] == probe.asked


def test_greedy_ties_keep_the_lowest_index():
    """Of equal losses the last layer is dropped."""
    probe = TableProbe(5, lambda skip: float(len(skip)))

    assert (0, 1) == Greedy().choose(Question(scores=(0.0,) * 5, probe=probe), 2).kept
    assert "nothing has to go" == Greedy().choose(Question(scores=(0.0,) * 5, probe=probe), 5).reason


def test_greedy_is_nested():
    """Greedy is nested: it drops one layer at a time, so smaller selections are subsets of larger ones."""
    table = {frozenset(c): hash(c) % 97 / 7 for k in range(7) for c in combinations(range(6), k)}
    question = Question(scores=(0.0,) * 6, probe=TableProbe(6, table.__getitem__))
    kept = [set(Greedy().choose(question, keep).kept) for keep in range(1, 7)]

    assert all(small < large for small, large in pairwise(kept))


def test_adaptive_takes_the_fewest_within_the_bound():
    """Loss 0.3 a dropped layer: within 1.0 of the teacher three of eight may go."""
    probe = TableProbe(8, lambda skip: 2.0 + 0.3 * len(skip))

    choice = Adaptive(tolerance=1.0, by=TopK()).choose(Question(scores=tuple(range(8)), probe=probe), 8)

    assert (3, 4, 5, 6, 7) == choice.kept
    assert "the fewest by top-k with calibration loss 2.9000 ≤ 3.0000" == choice.reason


def test_adaptive_between_its_sizes():
    """``min_layers`` and ``max_layers`` bound the size; out of reach, the largest is taken and it says so."""
    probe = TableProbe(8, lambda skip: 2.0 + 0.3 * len(skip))
    question = Question(scores=tuple(range(8)), probe=probe)

    assert 6 == len(Adaptive(tolerance=1.0, min_layers=6).choose(question, 8).kept)
    least = Adaptive(tolerance=1.0, max_layers=3).choose(question, 8)
    assert 3 == len(least.kept)
    assert "no size up to 3 by strategic has a calibration loss within 3.0000; 3 gives 3.5000" == least.reason
    assert 2 == len(Adaptive(tolerance=0.0).choose(question, 2).kept)  # the budget caps it


def test_adaptive_does_not_assume_that_more_layers_are_better():
    """The smallest size within the bound, even where a larger one is not."""
    losses = {0: 1.0, 1: 9.0, 2: 1.05, 3: 9.0}
    probe = TableProbe(4, lambda skip: losses[len(skip)])

    assert 2 == len(Adaptive(tolerance=0.1).choose(Question(scores=(1.0, 2.0, 3.0, 4.0), probe=probe), 4).kept)


def test_a_parameter_budget_measures_each_set_once():
    """Trying one size after another measures no set of layers twice."""
    probe = TableProbe(4, interacting)
    selector = AdaptiveLayerSelector(strategy="greedy", budget=Budget(parameters=20))

    selection = selector.select([0.0] * 4, costs=Cost(layers=[10] * 4), probe=probe)

    assert (0, 2) == selection.kept
    assert len(set(probe.asked)) == len(probe.asked)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": -0.1}, "tolerance must be 0 or more nats, got -0.1"),
        ({"min_layers": 0}, "min_layers must be at least 1 and at most max_layers, got 0 and None"),
        ({"min_layers": 4, "max_layers": 3}, "min_layers must be at least 1 and at most max_layers, got 4 and 3"),
    ],
)
def test_impossible_bounds_are_refused(settings, message):
    """The error is one line that names the value and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        Adaptive(**settings)


@pytest.mark.parametrize("name", ["greedy", "adaptive"])
def test_measuring_needs_a_probe_of_the_same_model(name):
    """Without a model, or with another, there is nothing to measure."""
    selector = AdaptiveLayerSelector(strategy=name, budget=Budget(keep_layers=1))

    with pytest.raises(ConfigurationError, match=f"strategy '{name}' measures the model: give select\\(\\) a probe"):
        selector.select([1.0, 2.0])
    with pytest.raises(ConfigurationError, match="the probe has 3 layers, but there are 2 scores"):
        selector.select([1.0, 2.0], probe=TableProbe(3, interacting))


def test_a_smallest_size_above_the_budget():
    """The two settings contradict each other."""
    question = Question(scores=(1.0, 2.0, 3.0), probe=TableProbe(3, interacting))

    with pytest.raises(ConfigurationError, match="min_layers is 3, but the budget allows only 2 layers"):
        Adaptive(min_layers=3).choose(question, 2)


def test_a_loss_that_is_no_number():
    """A model that gives NaN without a layer cannot be compared."""
    question = Question(scores=(1.0, 2.0), probe=TableProbe(2, lambda _: float("nan")))

    with pytest.raises(NonFiniteError, match=r"the calibration loss without layers \[0\] is nan"):
        Greedy().choose(question, 1)
