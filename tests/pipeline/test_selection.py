"""The selection stage alone: layers chosen from scores that are written in its folder."""

import pytest
from pipeline.prepared import KEPT, LAYERS, alone, context

from shortstack.errors import ConfigurationError, DataError, NonFiniteError
from shortstack.files import read_json, write_json
from shortstack.pipeline.selection import load_selection, selection_stage
from shortstack.planning.schedule import Round
from shortstack.run_layout import IMPORTANCE, SCORES, SELECTED, SELECTION

STAGE = selection_stage(Round(number=1, steps=1))
LAYER = 4 * 16 * 16 + 3 * 16 * 32 + 2 * 16
"""Parameters of a layer: four attention matrices, three of the MLP, two norms."""
NORM, EMBEDDINGS = 16, 10 * 16


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"scorer": "fisher", "strategy": "top-k", "keep_layers": 2}, KEPT),
        ({"scorer": "attention", "strategy": "top-k", "keep_layers": 2}, (0, 3)),
        ({"scorer": "fisher", "strategy": "strategic", "keep_layers": 3}, (0, 1, 3)),
        # of pairs in a row, layers 2 and 3 have the lowest sum
        ({"scorer": "fisher", "strategy": "contiguous", "keep_layers": 2}, (0, 1)),
        ({"scorer": "fisher", "strategy": "last", "keep_layers": 1}, (3,)),
        ({"scorer": "fisher", "strategy": "top-k", "keep_ratio": 0.99}, (0, 1, 3)),
        ({"scorer": "fisher", "strategy": "top-k", "body_parameters": 2 * LAYER + NORM}, KEPT),
        ({"scorer": "fisher", "strategy": "top-k", "body_parameters": 2 * LAYER + NORM - 1}, (1,)),
        ({"scorer": "fisher", "strategy": "top-k", "parameters": 3 * LAYER + NORM + EMBEDDINGS}, (0, 1, 3)),
    ],
)
def test_the_layers_follow_from_the_scores(without, settings, kept):
    """They are those that the strategy's definition gives by hand, within the budget."""
    run = context(without(SELECTION), selection=settings)

    assert alone(STAGE, run) == {SELECTED}
    written = read_json(run.root / SELECTION / SELECTED)
    assert (written["kept"], written["of"], written["strategy"]) == (list(kept), LAYERS, settings["strategy"])
    assert written["forwards"] == 0
    assert load_selection(run.root).kept == kept


def test_the_budget_is_recorded_in_words(without):
    """As the report shows it."""
    run = context(without(SELECTION))
    alone(STAGE, run)

    assert load_selection(run.root).budget == "keep 2 of 4 layers"


def test_greedy_removal_tries_each_layer(without):
    """Two of four layers go: four attempts, then three."""
    run = context(without(SELECTION), selection={"scorer": "fisher", "strategy": "greedy", "keep_layers": 2})
    alone(STAGE, run)

    assert load_selection(run.root).forwards == 4 + 3
    assert len(load_selection(run.root).kept) == 2


def test_a_score_that_is_no_number_is_refused(without):
    """The layer is named, and none is selected."""
    root = without(SELECTION)
    scores = [0.3, float("nan"), 0.1, 0.5]
    write_json(root / IMPORTANCE / SCORES, {"fisher": {"scores": scores, "examples": 8, "details": {}}})

    with pytest.raises(NonFiniteError, match="the score of layer 1 is nan"):
        STAGE.perform(context(root), "a key")
    assert not (root / SELECTION).exists()


def test_damaged_scores_are_named(without):
    """The message says what to remove."""
    root = without(SELECTION)
    (root / IMPORTANCE / SCORES).write_text("{", encoding="utf-8")

    with pytest.raises(DataError, match=r"importance\.json is damaged"):
        STAGE.perform(context(root), "a key")


def test_a_budget_that_not_even_one_layer_fits(without):
    """The message says how large the smallest student is."""
    root = without(SELECTION)
    settings = {"scorer": "fisher", "strategy": "top-k", "body_parameters": LAYER}

    with pytest.raises(ConfigurationError, match=f"too small: the smallest student by 'top-k' has {LAYER + NORM:,}"):
        STAGE.perform(context(root, selection=settings), "a key")
