"""Settings are strict, and their errors name the setting."""

import json
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack.config.descriptions import describe_settings
from shortstack.config.given import Given
from shortstack.config.reader import replace, structure
from shortstack.config.type_words import type_words
from shortstack.config.writer import unstructure
from shortstack.contracts import LossDescriptor
from shortstack.errors import ConfigurationError, UnknownNameError


@attrs.frozen(kw_only=True)
class Inner:
    """A nested table."""

    steps: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    rate: float | None = None


@attrs.frozen(kw_only=True)
class Outer:
    """A table of each kind of setting."""

    name: str
    inner: Inner = attrs.field(factory=Inner)
    mode: Literal["full", "sampled"] = "full"
    cutoffs: tuple[int, ...] = (1, 5)
    tables: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    exact: bool = False


class Colour(Enum):
    """An enumeration."""

    RED = "red"
    BLUE = "blue"


@attrs.frozen(kw_only=True)
class Wider:
    """Kinds that plugins use."""

    names: list[str] = attrs.field(factory=list)
    grid: list[list[float]] = attrs.field(factory=list)
    kinds: frozenset[int] = frozenset()
    where: Path | None = None
    colour: Colour = Colour.RED
    colours: tuple[Colour, ...] = ()
    inner: Inner | None = None
    inners: list[Inner] = attrs.field(factory=list)
    sizes: dict[str, int | Literal["all"]] = attrs.field(factory=dict)


def test_wider_kinds():
    """Lists, sets, paths, enumerations, optional and nested classes are read from what a file says, and written so."""
    tables = {
        "names": ["a", "b"],
        "grid": [[1, 2.5]],
        "kinds": [3, 1, 3],
        "where": "some/place",
        "colour": "blue",
        "colours": ["red", "blue"],
        "inner": {"steps": 4},
        "inners": [{"rate": 1}, {}],
        "sizes": {"x": 3, "y": "all"},
    }
    made = structure(Wider, tables, "run")

    assert made == Wider(
        names=["a", "b"],
        grid=[[1.0, 2.5]],
        kinds=frozenset({1, 3}),
        where=Path("some/place"),
        colour=Colour.BLUE,
        colours=(Colour.RED, Colour.BLUE),
        inner=Inner(steps=4),
        inners=[Inner(rate=1.0), Inner()],
        sizes={"x": 3, "y": "all"},
    )
    assert structure(Wider, json.loads(json.dumps(unstructure(made))), "run") == made
    assert len(describe_settings(Wider)) == len(tables)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"colour": "green"}, "run.colour must be one of 'red', 'blue', got 'green'"),
        ({"names": "ab"}, "run.names takes a list, got 'ab'"),
        ({"grid": [[1, "x"]]}, r"run.grid\[0\]\[1\] takes a number, got 'x'"),
        ({"where": 1.5}, "run.where takes a text, got 1.5"),
        ({"inners": [{"steps": 0}]}, r"run.inners\[0\]: 'steps' must be >= 1"),
        ({"sizes": {3: 1}}, r"run\.sizes takes a table whose names are texts, got the name 3; write '3'"),
    ],
)
def test_wrong_values_of_wider_kinds(tables, message):
    """They are named by their place."""
    with pytest.raises(ConfigurationError, match=message):
        structure(Wider, tables, "run")


def test_kinds_that_no_file_can_give():
    """They are refused when the settings are listed, with what is allowed."""

    @attrs.frozen
    class Wrong:
        """Holds a function."""

        call: Callable[[int], int] | None = None

    with pytest.raises(
        TypeError, match=r"the setting Wrong\.call has the type Callable.*which no file can give; use bool, int"
    ):
        describe_settings(Wrong)


@given(
    steps=st.integers(1, 10**9),
    rate=st.none() | st.floats(allow_nan=False),
    mode=st.sampled_from(["full", "sampled"]),
    cutoffs=st.lists(st.integers()).map(tuple),
    tables=st.dictionaries(st.text(), st.dictionaries(st.text(), st.integers() | st.text() | st.booleans())),
)
def test_round_trip(steps, rate, mode, cutoffs, tables):
    """``structure(unstructure(x)) == x`` for every value."""
    value = Outer(name="x", inner=Inner(steps=steps, rate=rate), mode=mode, cutoffs=cutoffs, tables=tables)

    assert value == structure(Outer, unstructure(value), "run")


@pytest.mark.parametrize(
    ("given_tables", "message"),
    [
        ({}, "run needs the setting 'name'"),
        ({"name": 1.50}, "run.name takes a text, got 1.5; write '\"1.5\"' for that text"),
        ({"name": True}, "run.name takes a text, got True; write '\"True\"' for that text"),
        ({"name": [3]}, r"run.name takes a text, got \[3\]$"),
        ({"name": "x", "inner": {"steps": "9"}}, "run.inner.steps takes a whole number, got '9'"),
        ({"name": "x", "inner": {"steps": 2.5}}, "run.inner.steps takes a whole number, got 2.5"),
        ({"name": "x", "inner": {"steps": True}}, "run.inner.steps takes a whole number, got True"),
        ({"name": "x", "inner": {"steps": 0}}, "run.inner: 'steps' must be >= 1: 0"),
        ({"name": "x", "inner": {"rate": "fast"}}, "run.inner.rate takes a number, got 'fast'"),
        ({"name": "x", "inner": 3}, "run.inner takes a table of settings, got 3"),
        ({"name": "x", "exact": 1}, "run.exact takes true or false, got 1"),
        ({"name": "x", "cutoffs": 5}, "run.cutoffs takes a list, got 5"),
        ({"name": "x", "cutoffs": [1, "a"]}, r"run.cutoffs\[1\] takes a whole number, got 'a'"),
        ({"name": "x", "tables": []}, r"run.tables takes a table, got \[\]"),
        ({"name": "x", "mode": 3}, "run.mode must be one of 'full', 'sampled', got 3"),
    ],
)
def test_wrong_values_are_named(given_tables, message):
    """Each error says which setting, what it takes and what it got."""
    with pytest.raises(ConfigurationError, match=message):
        structure(Outer, given_tables, "run")


@pytest.mark.parametrize(
    ("given_tables", "message"),
    [
        ({"nmae": "x"}, r"unknown setting of run: 'nmae'; did you mean 'name'\?"),
        ({"name": "x", "inner": {"step": 2}}, r"unknown setting of run.inner: 'step'; did you mean 'steps'\?"),
        ({"name": "x", "mode": "ful"}, r"unknown value of run.mode: 'ful'; did you mean 'full'\?"),
    ],
)
def test_unknown_names_get_a_suggestion(given_tables, message):
    """A slip of the finger is met with the nearest name."""
    with pytest.raises(UnknownNameError, match=message):
        structure(Outer, given_tables, "run")


@pytest.mark.parametrize("given", [{"rate": float("nan")}, Inner(rate=float("nan"))])
def test_nan_is_no_number(given):
    """NaN is refused: it equals nothing, so a run with it could not be resumed."""
    with pytest.raises(ConfigurationError, match=r"run\.rate takes a number, got nan"):
        structure(Inner, given, "run")


def test_what_a_file_may_not_hold_python_may_not_build():
    """An instance is checked as a table is, and handed back as it is."""
    right = Outer(name="x")

    assert structure(Outer, right, "run") is right
    with pytest.raises(ConfigurationError, match=r"run\.inner\.steps takes a whole number, got 2\.5"):
        structure(Outer, Outer(name="x", inner=Inner(steps=2.5)), "run")


def test_replace_leaves_the_original():
    """``replace`` copies what it changes."""
    tree = {"a": {"b": 1, "c": 2}}

    assert replace(tree, "a.b", 9) == {"a": {"b": 9, "c": 2}}
    assert tree == {"a": {"b": 1, "c": 2}}


def test_descriptions_name_type_and_default():
    """Descriptions name type and default, as ``shortstack show`` prints them."""
    rows = {row["name"]: (row["type"], row["takes"], row["default"]) for row in describe_settings(Outer)}

    assert rows["name"] == ("str", "text", "required")
    assert rows["exact"] == ("bool", "true or false", "False")
    assert rows["mode"] == ("Literal['full', 'sampled']", '"full" or "sampled"', "'full'")


class Size(Enum):
    """A choice."""

    SMALL = "small"
    LARGE = "large"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (float | None, "number"),
        (int | float, "number"),
        (str | int, "text or whole number"),
        (list[str], "list: text"),
        (Sequence[float], "list: number"),
        (frozenset[int], "list: whole number"),
        (tuple[float, float], "list of two: number"),
        (tuple[int, ...], "list: whole number"),
        (dict[str, Any], "table"),
        (Mapping[str, int | Literal["all"]], 'table: whole number or "all"'),
        (list, "list"),
        (dict, "table"),
        (Path | None, "path"),
        (Size, '"small" or "large"'),
        (Literal[1, 2], "1 or 2"),
        (Outer, "table"),
        (tuple[int, str], "list of two: whole number and text"),
        (tuple[int, int, int], "list of 3: whole number"),
        (typing.List, "list"),  # noqa: UP006 -- the older way to write a list
        (object, "any value"),
    ],
    ids=str,
)
def test_types_in_words(kind, words):
    """Every type that a setting may have is said without Python's notation."""
    assert type_words(kind, choices=True) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (date(2009, 5, 4), "2009-05-04"), (datetime(2009, 5, 4, 1, tzinfo=UTC), "2009-05-04T01:00:00+00:00")],
)
def test_texts_that_need_no_quotes(value, text):
    """Whole numbers and dates become texts where these are taken, but nowhere else."""
    assert Outer(name=text) == structure(Outer, {"name": value}, "run")


def test_a_number_stays_one_where_both_are_taken():
    """A number stays a number, whichever type the union names first."""

    @attrs.frozen(kw_only=True)
    class Either:
        """A text before a number."""

        value: str | int

    assert structure(Either, {"value": 3}, "run").value == 3


@pytest.mark.parametrize(("value", "fits"), [([1, 2], True), ([1], False), ([1, 2, 3], False), ([], False)])
def test_tuples_have_their_length(value, fits):
    """``tuple[int, int]`` takes two."""

    @attrs.frozen
    class Pair:
        """Two numbers."""

        pair: tuple[int, int] = (0, 0)

    if fits:
        assert structure(Pair, {"pair": value}, "run").pair == tuple(value)
    else:
        with pytest.raises(ConfigurationError, match=r"run.pair takes 2 values"):
            structure(Pair, {"pair": value}, "run")


def test_keys_are_texts():
    """A table in a file has no other keys, so such a type is refused when it is listed."""

    @attrs.frozen
    class Numbered:
        """Keys that are numbers."""

        table: dict[int, str] = attrs.field(factory=dict)

    with pytest.raises(TypeError, match="keys of the type int, and keys in files are texts"):
        describe_settings(Numbered)


def test_dates_in_tables_are_written_as_texts():
    """TOML has them; a run's file is JSON."""
    value = Outer(name="x", tables={"a": {"since": date(2009, 5, 4), "at": datetime(2009, 5, 4, 1, 2, tzinfo=UTC)}})

    assert unstructure(value)["tables"] == {"a": {"since": "2009-05-04", "at": "2009-05-04T01:02:00+00:00"}}


def settings_with(kind, **field):
    """Return an attrs class with one setting, ``x``, of a type."""
    return attrs.make_class("Single", {"x": attrs.field(type=kind, **{"default": None, **field})}, frozen=True)


class Grade(Enum):
    """Choices that are numbers."""

    HALF = 0.5
    WHOLE = 1.0


@pytest.mark.parametrize(
    ("kind", "value", "arrives"),
    [
        (str | float, 3, 3.0),
        (Path | float, 3, 3.0),
        (str | float, "3", "3"),
        (bool | str, 1, "1"),
        (float | bool, 1, 1.0),
        (float | bool, True, True),
        (str | Literal[1], 1, 1),
        (list[str] | list[int], [1], [1]),
        (list[int] | list[str], ["1"], ["1"]),
        (list[str] | frozenset[int], [1], frozenset({1})),
        (tuple[str, ...] | tuple[float, float], [1, 2], (1.0, 2.0)),
        (dict[str, str] | dict[str, int], {"a": 1}, {"a": 1}),
        (str | Colour, "red", Colour.RED),
        (Path | str, Path("a"), "a"),
        (Literal["1", 1], 1, 1),
        (Literal["1", 1], "1", "1"),
        (Literal[0, False], False, False),
        (Grade, 1, Grade.WHOLE),
        (tuple, [1, "a"], (1, "a")),
        (list, [1, "a"], [1, "a"]),
        (set, [1], frozenset({1})),
        (list[int], [], []),
        (typing.List, [1], [1]),  # noqa: UP006 -- the older way to write a list
        (typing.Dict, {"a": 1}, {"a": 1}),  # noqa: UP006
        (Sequence, [1], (1,)),
        (float, -0.0, -0.0),
    ],
    ids=repr,
)
def test_what_is_written_arrives(kind, value, arrives):
    """Of several types the one that changes a value least takes it, and what is written of it is read back as the same."""
    cls = settings_with(kind)
    made = structure(cls, {"x": value}, "run")

    assert repr(made.x) == repr(arrives)
    assert repr(structure(cls, json.loads(json.dumps(unstructure(made))), "run")) == repr(made)
    assert len(describe_settings(cls)) == 1


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Literal[1, 2], True, "run.x must be one of 1, 2, got True"),
        (Literal[1, 2], 1.0, "run.x must be one of 1, 2, got 1.0"),
        (Literal[True, "auto"], 1, "run.x must be one of True, 'auto', got 1"),
        (Path | None, "", "run.x takes a path, got ''; leave it out, or write '.'"),
        (Any, float("nan"), "run.x takes any value but NaN"),
        (dict, {"a": [float("nan")]}, "run.x.a takes any value but NaN"),
        (dict[str, int], {1: 1, "1": 2}, "run.x takes a table whose names are texts, got the name 1"),
        (float | Mapping[str, Any] | Given, {"a": float("nan")}, "run.x.a takes any value but NaN"),
        (
            list[Inner],
            [{"python object": "inner", "digest": "5f"}],
            r"run\.x\[0\] is an object, 'inner', that Run was given",
        ),
    ],
    ids=str,
)
def test_what_would_not_arrive_as_written_is_refused(kind, value, message):
    """No value becomes another one without a word."""
    with pytest.raises(ConfigurationError, match=message):
        structure(settings_with(kind), {"x": value}, "run")


def test_an_instance_is_written_as_a_table_is():
    """A whole number in place of a float, which Python takes for equal, is no other run."""
    given, read = Inner(steps=2, rate=3), {"steps": 2, "rate": 3}
    outer = structure(Outer, Outer(name="x", inner=given), "run")

    assert repr(structure(Inner, given, "run")) == repr(structure(Inner, read, "run")) == "Inner(steps=2, rate=3.0)"
    assert repr(outer.inner.rate) == "3.0"


def test_settings_go_by_the_names_of_the_constructor():
    """Where attrs gives a field another name there, files have that too."""

    @attrs.frozen
    class Renamed:
        """Two settings."""

        _private: int = 1
        long: int = attrs.field(default=2, alias="short")

    made = structure(Renamed, {"private": 3, "short": 4}, "run")

    assert made == Renamed(private=3, short=4)
    assert unstructure(made) == {"private": 3, "short": 4}
    assert structure(Renamed, made, "run") is made
    assert [row["name"] for row in describe_settings(Renamed)] == ["private", "short"]
    with pytest.raises(UnknownNameError, match=r"'_private'; did you mean 'private'\?"):
        structure(Renamed, {"_private": 3}, "run")


def test_a_default_may_come_from_other_settings():
    """It is no value of its own to print."""

    @attrs.frozen
    class Doubled:
        """A second setting that follows the first."""

        first: int = 3
        second: int = attrs.field(default=attrs.Factory(lambda self: 2 * self.first, takes_self=True))

    assert structure(Doubled, {"first": 5}, "run").second == 10
    assert describe_settings(Doubled)[1]["default"] == "from other settings"


@attrs.frozen
class Nested:
    """A table that may hold one of its own kind."""

    inner: "Nested | None" = None
    name: str = ""


def test_a_table_may_hold_one_of_its_own_kind():
    """It is listed, and read to any depth."""
    assert structure(Nested, {"inner": {"inner": {"name": "a"}}}, "run") == Nested(inner=Nested(inner=Nested(name="a")))
    assert len(describe_settings(Nested)) == 2


@attrs.frozen
class Elsewhere:
    """A type that only a type checker knows."""

    where: "OnlyForTheChecker" = 1  # noqa: F821


@attrs.define
class Bare:
    """A setting without a type."""

    where = attrs.field(default=1)


class Pair(Enum):
    """A choice that no file can name."""

    BOTH = (1, 2)


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (
            Elsewhere,
            "the settings Elsewhere have an annotation that cannot be read: name 'OnlyForTheChecker' is not defined",
        ),
        (Bare, "the setting Bare.where has no annotation; write its type"),
        (settings_with(Pair), r"the setting Single\.x has the choice <Pair\.BOTH: \(1, 2\)>, which no file can name"),
    ],
)
def test_classes_that_cannot_be_read(cls, message):
    """They are refused when they are listed; those without a readable type in any case."""
    with pytest.raises(TypeError, match=message):
        describe_settings(cls)
    if cls in {Elsewhere, Bare}:
        with pytest.raises(ConfigurationError, match=message):
            structure(cls, {"where": 3}, "run")


@pytest.mark.parametrize("name", ["weight", "loss"])
def test_settings_of_a_loss_that_could_not_be_given(name):
    """They have another meaning in the table of a loss, so they would never arrive."""
    config = attrs.make_class("Own", {name: attrs.field(type=float, default=1.0)}, frozen=True, kw_only=True)

    with pytest.raises(TypeError, match=f"the setting Own.{name} could not be given: in the table of a loss"):
        LossDescriptor(name="mine", summary="Made up.", config=config, build=lambda settings: settings)
