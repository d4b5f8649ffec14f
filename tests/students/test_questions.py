"""Recommending among some items only: the same order and scores as among all, with the others left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.little_language_model import llama

from shortstack.data.catalogue import Catalogue, Item
from shortstack.errors import UnknownNameError
from shortstack.recommender import Question, Recommender

CATEGORIES = ("Drama", "Drama|Comedy", "", "Comedy")
ITEMS = [Item(id=f"m{n}", title=f"Film {n}", token=n + 1, category=CATEGORIES[n % 4]) for n in range(16)]
RECOMMENDER = Recommender(model=llama(num_hidden_layers=2).eval(), catalogue=Catalogue(items=ITEMS), window=4)
NAMES = [item.id for item in ITEMS]


def is_of(item, categories):
    """Whether an item passes a filter."""
    return not categories or bool(set(categories) & {item.category, *item.category.split("|")})


@given(
    history=st.lists(st.sampled_from(NAMES), min_size=1, max_size=6),
    k=st.integers(1, 20),
    exclude_seen=st.booleans(),
    candidates=st.none() | st.lists(st.sampled_from(NAMES), max_size=8),
    categories=st.lists(st.sampled_from(["Drama", "Comedy", "Drama|Comedy"]), max_size=2),
)
def test_a_choice_of_items(history, k, exclude_seen, candidates, categories):
    """What is left of the whole ranking."""
    everything = RECOMMENDER.recommend(history, 100, exclude_seen=exclude_seen)
    allowed = {item.id for item in ITEMS if (candidates is None or item.id in candidates) and is_of(item, categories)}

    chosen = RECOMMENDER.recommend(history, k, exclude_seen=exclude_seen, candidates=candidates, categories=categories)

    assert [one for one in everything if one.id in allowed][:k] == chosen


def test_different_questions_at_once():
    """Each keeps its own number and its own items."""
    questions = [Question(history=["m1"], k=3), Question(history=["m2"], k=1, categories=["Comedy"], candidates=["m7"])]
    answers = RECOMMENDER.answers([RECOMMENDER.found(question) for question in questions])

    assert [one.id for one in RECOMMENDER.recommend(["m1"], 3)] == [one.id for one in answers[0]]
    assert ["m7"] == [one.id for one in answers[1]]


def test_names_that_are_not_there():
    """Candidates are names like those of a history; categories have a list of their own."""
    with pytest.raises(UnknownNameError, match="unknown item 'Film 99'; did you mean 'Film 9'"):
        RECOMMENDER.recommend(["m1"], candidates=["Film 99"])
    with pytest.raises(UnknownNameError, match="unknown category 'Drame'; did you mean 'Drama'"):
        RECOMMENDER.recommend(["m1"], categories=["Drame"])
