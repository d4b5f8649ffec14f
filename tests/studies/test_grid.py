"""The runs of a study: how many, and that each has a name that a folder can have."""

import re
from math import prod

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack import ConfigurationError, UnknownNameError
from shortstack.distillation.balancing import Ema, Fixed
from shortstack.studies.grid import count, in_words, in_words_apart, points, possible_words

VALUES = st.one_of(st.integers(), st.text(max_size=60), st.booleans(), st.lists(st.integers(), max_size=3))
PATHS = st.sampled_from(["seed", "selection.keep_ratio", "teacher.fit.steps", "distillation.fit.steps", "data.source"])
AXES = st.dictionaries(
    PATHS, st.lists(VALUES, min_size=1, max_size=3, unique_by=lambda v: str(v).casefold()), max_size=4
)


@given(AXES, st.sampled_from([{}, {"a": {}, "b": {"data.core": 1}}]))
def test_every_combination_is_one_run_with_a_name_of_its_own(axes, variants):
    """As many runs as the axes' values and the variants make; no name leaves the folder of runs, or is too long for one."""
    made = points(axes, variants, [], [])

    assert len(made) == count(axes, variants, []) == prod(map(len, axes.values())) * max(1, len(variants))
    assert len({point.name.casefold() for point in made}) == len(made)
    assert all(re.fullmatch(r"[\w.,=~+-]{1,120}", point.name, re.ASCII) for point in made)


@given(AXES.filter(bool))
def test_an_excluded_combination_is_left_out(axes):
    """All others stay."""
    made = points(axes, {}, [{"seed": -7}], [])
    left = points(axes, {}, [{"seed": -7}], [made[0].settings])

    assert left == made[1:]


def test_no_number_is_excluded_for_a_truth_value():
    """Python takes 0 for False, and 1 for True."""
    left = points({"seed": [0, False, 1, True]}, {}, [], [{"seed": False}, {"seed": True}])

    assert [point.name for point in left] == ["seed=0", "seed=1"]


def test_an_exclusion_of_a_variant():
    """The variant is an axis too; a table that names a part leaves out all that have it."""
    left = points({"seed": [0, 1]}, {"a": {}, "b": {}}, [], [{"variant": "a", "seed": 1}, {"variant": "b"}])

    assert [point.name for point in left] == ["a,seed=0"]


def test_an_exclusion_of_no_axis_has_a_suggestion():
    """A misspelt exclusion would leave nothing out."""
    with pytest.raises(UnknownNameError, match=r"unknown axis in a study's exclude: 'sed'; did you mean 'seed'\?"):
        points({"seed": [0, 1]}, {}, [], [{"sed": 0}])


@pytest.mark.parametrize("table", [{"seed": 5}, {"variant": "tial"}, {"variant": "tail", "seed": True}])
def test_an_exclusion_without_effect(table):
    """A mistyped value would leave nothing out, without a word; one that another exclusion covers has an effect."""
    shown = ", ".join(f"{path} = {value!r}" for path, value in table.items())
    message = f"the study's exclude leaves out no run where {shown}; give values of its axes and names of its variants"
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        points({"seed": [0, 1]}, {"tail": {}}, [], [table])
    assert len(points({"seed": [0, 1]}, {"tail": {}}, [], [{"seed": 1}, {"seed": 1, "variant": "tail"}])) == 1


def test_a_variant_that_sets_an_axis():
    """The axis would hold, and the variant's own value would be left out without a word."""
    message = "^the study's variant 'a' sets 'seed', which is an axis too; leave it in one of them alone$"
    with pytest.raises(ConfigurationError, match=message):
        points({"seed": [0, 1]}, {"a": {"seed": 5}}, [], [])


def test_all_is_excluded():
    """A study without a run has no table."""
    with pytest.raises(ConfigurationError, match="exclude leaves no run; exclude less"):
        points({"seed": [0]}, {}, [], [{"seed": 0}])


@pytest.mark.parametrize(
    ("axes", "variants", "listed"),
    [({"seed": [0, 0]}, {}, []), ({"seed": [0]}, {}, [{"seed": 0}]), ({}, {"tail": {}, "Tail": {}}, [])],
)
def test_two_runs_of_one_name(axes, variants, listed):
    """Equal values, a run that the grid has too, and names that some disks do not tell apart."""
    with pytest.raises(ConfigurationError, match=r"two runs of the study are called '(seed=0|tail)'; give each"):
        points(axes, variants, listed, [])


@attrs.frozen(kw_only=True)
class Unweighted:
    """A balancing without settings, as ``Fixed`` is."""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.5, 0.5),
        (None, None),
        ("25%", "25%"),
        (["fisher", "attention"], '["fisher", "attention"]'),
        ({"python object": "mine", "digest": "5f"}, "mine"),
        ({"labels": 1.0}, '{"labels": 1.0}'),
    ],
)
def test_a_value_in_words(value, words):
    """Numbers and texts stay; an object goes by its name; all else is JSON."""
    assert in_words(value) == words


def test_objects_of_one_name_stay_apart():
    """Where two values of an axis would look alike, each has its digest too, as in the run's name."""
    short, long = Ema(decay=0.5), Ema(decay=0.9)
    words = in_words_apart([short, long, "ema", Fixed()])

    assert words[2:] == ["ema", "fixed"]
    assert len({*words}) == 4
    made = points({"distillation.balancing": [short, long, "ema"]}, {}, [], [])
    assert [f"balancing={word}" for word in words[:3]] == [point.name for point in made]
    assert all(word in possible_words(value) for word, value in zip(words, (short, long, "ema"), strict=False))
    assert in_words_apart([short, short]) == ["ema", "ema"]


def test_objects_of_two_classes_with_equal_fields():
    """They are two values, though neither has a field."""
    made = points({"distillation.balancing": [Fixed(), Unweighted()]}, {}, [], [])

    assert len({point.name for point in made}) == 2
