"""Recipes of selection questions, against sums done by hand."""

from itertools import combinations

import pytest
from hypothesis import given, settings

from shortstack.selection.probe_strategies import calibration_loss
from shortstack.testing import LayerQuestion, ParameterBudget
from shortstack.testing.strategies import layer_questions, parameter_budgets, score_vectors

CALM = settings(deadline=None, max_examples=30)  # the first example pays for imports
QUESTION = LayerQuestion(scores=(0.5, 0.5, 1.0), losses=(1.0, 0.25, 2.0), neighbours=-0.5)


def test_losses_are_sums():
    """1 for the whole model, a loss for each layer that is left out, and more for two in a row; exact."""
    probe = QUESTION.probe
    by_hand = {(): 1.0, (0,): 2.0, (1,): 1.25, (2,): 3.0, (0, 1): 1.75, (0, 2): 4.0, (1, 2): 2.75, (0, 1, 2): 3.25}
    expected = {
        skip: -float(probe.log_probability(skip=skip).mean()) for k in range(4) for skip in combinations(range(3), k)
    }

    assert by_hand == expected
    assert len(probe.log_probability()) == probe.examples == 2
    assert probe.layers == 3


@pytest.mark.parametrize("skip", [(0, 0), (3,), (-1,)])
def test_layers_that_cannot_be_skipped(skip):
    """Repeated or non-existent layers are refused."""
    with pytest.raises(ValueError, match=r"^skip must be distinct layers of 0 … 2, got \["):
        QUESTION.probe.log_probability(skip=skip)


def test_as_many_losses_as_scores():
    """The numbers of losses and scores must agree."""
    with pytest.raises(ValueError, match=r"^2 scores but 1 losses; both must be one a layer$"):
        LayerQuestion(scores=(1.0, 2.0), losses=(1.0,))


@CALM
@given(layer_questions(layers=(2, 6)))
def test_questions_are_of_one_model(question):
    """The probe has a layer for each score, and its losses are finite."""
    built = question.build()

    assert built.layers == built.probe.layers == len(question.scores)
    assert calibration_loss(built.probe, built.layers, range(1)) < 100


@CALM
@given(score_vectors(7))
def test_scores_are_quarters(scores):
    """Scores are quarters, so that sums and ties are exact."""
    assert len(scores) == 7
    assert all((4 * score).is_integer() for score in scores)


@CALM
@given(parameter_budgets())
def test_any_one_layer_fits(budget):
    """The budget allows each single layer, and counts as the core does."""
    cost, allowed = budget.prices(layers=5)["costs"], budget.budget(layers=5)
    for layer in range(5):
        assert budget.spent([layer]) == cost.of([layer]) <= allowed.limit(cost)


def test_costs_come_over_and_over():
    """Two costs for three layers; the body is without embeddings."""
    budget = ParameterBudget(costs=(5, 7), embeddings=10, other=1, spare=2)

    assert budget.layer_parameters(layers=3) == [5, 7, 5]
    assert budget.allowed(layers=3) == 10 + 1 + 7 + 2
    assert budget.spent((0, 1)) == 10 + 1 + 5 + 7
