"""``AdaptiveLayerSelector``: from scores and a budget to a selection."""

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shortstack.contracts import Importance
from shortstack.errors import ConfigurationError, NonFiniteError, PluginError, UnknownNameError
from shortstack.selection.selector import AdaptiveLayerSelector, Budget, Cost, strategy_named
from shortstack.selection.strategies import Choice, Keeps


def test_the_record_says_what_and_why():
    """Strategy, budget and reason are in the selection, in words."""
    importance = Importance(scores=torch.tensor([0.1, 0.5, 0.9, 0.2], dtype=torch.float64), examples=8)
    selection = AdaptiveLayerSelector(strategy="strategic", budget=Budget(keep_ratio=0.75)).select(importance)

    assert (0, 2, 3) == selection.kept
    assert 4 == selection.of
    assert "strategic" == selection.strategy
    assert "keep 75% of 4 layers" == selection.budget
    assert "the first layer, the last, and the highest score between them" == selection.reason


def test_tensors_and_lists_are_the_same():
    """Scores may come as an importance, a tensor of any float dtype, or plain numbers."""
    selector = AdaptiveLayerSelector(strategy="top-k", budget=Budget(keep_layers=2))
    expected = selector.select([1, 3, 2])

    assert expected == selector.select(torch.tensor([1.0, 3.0, 2.0]))
    assert expected == selector.select(torch.tensor([1.0, 3.0, 2.0], dtype=torch.bfloat16))


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=10),
    st.integers(0, 40),
    st.floats(0.01, 1.0),
    st.sampled_from(["parameters", "body_parameters", "bytes", "cache_bytes", "latency_ms"]),
)
def test_what_stays_is_within_the_budget(layers, fixed, share, measure):
    """The selection never exceeds the budget, and one more layer would."""
    cost = Cost(layers=layers, fixed=fixed)
    budget = Budget(**{measure: f"{share:.12%}"})
    selector = AdaptiveLayerSelector(strategy="top-k", budget=budget)
    scores = [float(-layer) for layer in range(len(layers))]

    if layers[0] + fixed > budget.limit(cost):
        with pytest.raises(ConfigurationError, match="is too small"):
            selector.select(scores, costs=cost)
        return
    kept = selector.select(scores, costs={measure: cost, "other": Cost(layers=[])}).kept
    assert sum(layers[layer] for layer in kept) + fixed <= budget.limit(cost)
    assert len(kept) == len(scores) or sum(layers[: len(kept) + 1]) + fixed > budget.limit(cost)


def test_dear_layers_leave_room_for_fewer():
    """A dense layer beside mixtures: what fits depends on which layers the strategy wants."""
    selector = AdaptiveLayerSelector(strategy="top-k", budget=Budget(parameters=25))

    assert (1,) == selector.select([1.0, 9.0, 2.0], costs=Cost(layers=[10, 20, 10])).kept
    assert (0, 2) == selector.select([8.0, 1.0, 9.0], costs=Cost(layers=[10, 20, 10])).kept


def test_any_object_of_the_form_is_a_strategy():
    """A third party's strategy needs ``name``, ``keeps`` and ``choose``: an object, or ``module:attribute``."""

    @attrs.frozen
    class Odd:
        name = "odd"
        keeps = Keeps(nested=True)

        def choose(self, question, keep):
            return Choice(kept=range(question.layers)[1::2][:keep], reason="odd ones")

    selection = AdaptiveLayerSelector(strategy=Odd(), budget=Budget(keep_layers=2)).select([0.0] * 6)

    assert (1, 3) == selection.kept
    assert "odd" == selection.strategy
    assert strategy_named("last") == strategy_named("shortstack.selection.strategies:Last")


@pytest.mark.parametrize("kept", [(), (0, 0), (0, 1, 2), (7,), (-1,)])
def test_a_strategy_that_breaks_its_promise(kept):
    """Too many, none, twice or out of range: an error that names the strategy, not a broken student."""

    @attrs.frozen
    class Wrong:
        name = "wrong"
        keeps = Keeps()

        def choose(self, question, keep):
            return Choice(kept=kept, reason="")

    with pytest.raises(ConfigurationError, match="strategy 'wrong' must keep 1 to 2 distinct layers of 0 … 3, got"):
        AdaptiveLayerSelector(strategy=Wrong(), budget=Budget(keep_layers=2)).select([0.0] * 4)


def test_a_strategy_that_fails_is_named():
    """A strategy that raises is named, with the line."""

    class Failing:
        name = "failing"
        keeps = Keeps()

        def choose(self, question, keep):
            raise ZeroDivisionError("no layers")

    expected = r"^strategy 'failing' \(.*Failing\) failed: ZeroDivisionError: no layers \(.*, line \d+, in choose\)"
    with pytest.raises(PluginError, match=expected):
        AdaptiveLayerSelector(strategy=Failing(), budget=Budget(keep_layers=2)).select([0.0] * 4)


def test_unknown_names_get_a_suggestion():
    """Unknown names of strategies and of their settings get a suggestion."""
    with pytest.raises(UnknownNameError, match="unknown strategy 'strategik'; did you mean 'strategic'"):
        AdaptiveLayerSelector(strategy="strategik")
    with pytest.raises(UnknownNameError, match="unknown setting of strategy 'random': 'sed'; did you mean 'seed'"):
        strategy_named("random", {"sed": 3})
    with pytest.raises(UnknownNameError, match="unknown strategy 'top_k'; did you mean 'top-k'"):
        strategy_named("adaptive", {"by": "top_k"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:Strategy", "strategy 'nowhere:Strategy' cannot be imported"),
        (
            "shortstack.selection.strategies:Nothing",
            "strategy 'shortstack.selection.strategies:Nothing' cannot be imported: shortstack.selection.strategies has no",
        ),
        (
            "shortstack.selection.strategies:Keeps",
            "strategy 'shortstack.selection.strategies:Keeps' must have name, keeps and choose",
        ),
    ],
)
def test_a_module_attribute_that_is_no_strategy(name, message):
    """The error names the requested attribute, and what is wrong with it."""
    with pytest.raises(ConfigurationError, match=message):
        strategy_named(name)


def test_something_else_instead_of_a_strategy():
    """An object that is neither a name nor has ``choose`` is refused."""
    with pytest.raises(ConfigurationError, match="a strategy has name, keeps and choose, or is a name; got 3"):
        AdaptiveLayerSelector(strategy=3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_must_be_finite(bad):
    """A NaN would sort anywhere."""
    with pytest.raises(NonFiniteError, match=f"the score of layer 1 is {bad}; every layer needs a finite score"):
        AdaptiveLayerSelector().select(torch.tensor([0.0, bad]))


@pytest.mark.parametrize("scores", [[], [[1.0], [2.0]], torch.zeros(2, 2), torch.tensor(1.0), ["a"]])
def test_scores_must_be_one_a_layer(scores):
    """A matrix, a scalar or nothing is no list of scores."""
    with pytest.raises(ConfigurationError, match="scores must be one number a layer, got"):
        AdaptiveLayerSelector().select(scores)


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({}, "a budget of parameters needs to know what each layer costs: give costs"),
        ({"costs": {"bytes": Cost(layers=[1, 1])}}, "a budget of parameters needs to know what each layer costs"),
        ({"costs": Cost(layers=[1])}, "there are 2 scores but costs of 1 layers; both must be one a layer"),
        (
            {"costs": Cost(layers=[1000, 1000], fixed=5000)},
            "a budget of 3,500 parameters is too small: the smallest student by 'strategic' has 6,000; allow at least that",
        ),
    ],
)
def test_a_parameter_budget_that_cannot_be_met(costs, message):
    """The error says what is missing, or how much one layer would take."""
    with pytest.raises(ConfigurationError, match=message):
        AdaptiveLayerSelector(budget=Budget(parameters="50%")).select([1.0, 2.0], **costs)
