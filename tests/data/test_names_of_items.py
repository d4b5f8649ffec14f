"""Items are found by id and by title; for a mistyped name the nearest are suggested."""

import random
from difflib import get_close_matches
from time import process_time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.large_catalogues import WORDS
from shortstack.contracts import Edition, Records
from shortstack.data.catalogue import Catalogue, Item
from shortstack.data.interactions import Interactions
from shortstack.data.near_names import NameIndex, near_names
from shortstack.errors import UnknownNameError


def titles(count, seed=0):
    """Return titles of four words and a year, as similar to each other as real ones."""
    draw = random.Random(seed)
    return [f"{' '.join(draw.choices(WORDS, k=4))} ({1920 + draw.randrange(100)})" for _ in range(count)]


def mistyped(title, draw):
    """Return the title with a letter omitted or doubled, or two swapped."""
    place = draw.randrange(len(title) - 1)
    first, second, rest = title[:place], title[place : place + 2], title[place + 2 :]
    return first + draw.choice([second[1:], second[0] + second, second[::-1]]) + rest


def catalogue_of(*pairs):
    """Return items of these ids and titles."""
    return Catalogue(items=[Item(id=name, title=title, token=n) for n, (name, title) in enumerate(pairs)])


def test_titles_in_either_form_of_unicode():
    """Sources and questions may have accents in NFC or NFD; ids stay as they are, and go before titles."""
    records = Records(
        interactions=pl.LazyFrame(
            {"user": ["u"] * 2, "item": ["cafe\u0301", "b"], "rating": [1.0] * 2, "timestamp": [0] * 2}
        ),
        items=pl.LazyFrame(
            {
                "item": ["cafe\u0301", "b"],
                "title": ["Ame\u0301lie", "Le\u0301on"],
                "category": [None] * 2,
                "text": [None] * 2,
            },
            schema_overrides={"category": pl.String, "text": pl.String},
        ),
        edition=Edition(name="a"),
    )
    catalogue = Interactions.from_records(records, core=0).catalogue()
    by_id = {item.id: place for place, item in enumerate(catalogue.items)}

    assert [item.title for item in catalogue.items if item.id == "b"] == ["L\u00e9on"]
    for name in ("L\u00e9on", "Le\u0301on", "b"):
        assert catalogue.find(name) == by_id["b"]
    for name in ("Am\u00e9lie", "Ame\u0301lie", "cafe\u0301"):
        assert catalogue.find(name) == by_id["cafe\u0301"]
    with pytest.raises(UnknownNameError, match="unknown item 'caf\u00e9'"):
        catalogue.find("caf\u00e9")


def test_ids_go_before_titles_and_first_before_later():
    """An id that is another item's title, titles that repeat, ids that repeat, and items without a title."""
    catalogue = catalogue_of(("a", "b"), ("b", "Twice"), ("c", "Twice"), ("a", ""), ("", "Nameless"))

    assert [1, 1, 0, 4] == [catalogue.find(name) for name in ("b", "Twice", "a", "Nameless")]
    with pytest.raises(UnknownNameError, match="unknown item ''"):
        catalogue.find("")


def test_a_title_that_repeats_is_suggested_once():
    """Two films of one name leave room for the next."""
    catalogue = catalogue_of(("1", "Solaris"), ("2", "Solaris"), ("3", "Polaris"))
    with pytest.raises(UnknownNameError, match=r"did you mean 'Solaris'\? \(known: Polaris, Solaris\)$"):
        catalogue.find("Solaria")


def test_a_few_names_are_all_compared():
    """Up to a thousand, the answer is difflib's own."""
    names = list(dict.fromkeys(titles(900)))
    draw = random.Random(1)
    for wrong in [mistyped(draw.choice(names), draw) for _ in range(5)] + ["m7", "", "no such thing at all"]:
        assert get_close_matches(wrong, names, n=3, cutoff=0.5) == near_names(wrong, names)


@given(
    names=st.lists(st.text("abc ", max_size=6), max_size=30),
    wrong=st.text("abcd ", max_size=6),
    most=st.integers(1, 5),
    least=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
def test_suggestions_are_those_of_difflib(names, wrong, most, least):
    """Also among names that are equally similar, in any order and any number."""
    expected = get_close_matches(wrong, dict.fromkeys(names), n=most, cutoff=least)

    assert near_names(wrong, names, most=most, least=least) == expected


def test_of_many_names_the_nearest_is_found():
    """Among 3,000 names the first is difflib's nearest, and no others are noticeably nearer than those returned."""
    names, draw = titles(3_000), random.Random(2)
    for title in draw.sample(names, 4):
        wrong = mistyped(title, draw)
        nearest, right = near_names(wrong, names), get_close_matches(wrong, dict.fromkeys(names), n=3, cutoff=0.5)

        assert nearest[0] == right[0] == title
        assert len(nearest) == 3


@pytest.mark.parametrize("wrong", ["", "x", "😀😀", "\ud800", "Q" * 2_000, "(" * 40])
def test_odd_names_among_many(wrong):
    """Any input gets the suggestions of difflib, and no name that shares nothing with it."""
    names = [*titles(1_500), "😀😀!", "\ud800a"]

    assert near_names(wrong, names) == get_close_matches(wrong, dict.fromkeys(names), n=3, cutoff=0.5)


def test_a_mistyped_title_among_a_hundred_thousand():
    """After the first question, milliseconds, where comparing all names takes several seconds."""
    index = NameIndex(names=[f"{title} {n}" for n, title in enumerate(titles(100_000))])
    index.near("")
    start = process_time()
    nearest = index.near(index.names[70_000].replace("(", ""))

    assert nearest[0] == index.names[70_000]
    assert process_time() - start < 0.5  # some 0.02 on an idle machine


def test_an_index_in_blocks_is_one_index(monkeypatch):
    """The nearest names are found whatever block they are in."""
    names, draw = titles(3_000), random.Random(3)
    wrong = [mistyped(name, draw) for name in draw.sample(names, 4)]
    whole = [near_names(name, names) for name in wrong]
    monkeypatch.setattr("shortstack.data.near_names._BLOCK", 700)

    assert whole == [near_names(name, names) for name in wrong]
