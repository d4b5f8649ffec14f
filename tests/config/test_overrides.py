"""Values after ``--set`` are read by the type of their setting: a text as it is written, anything else as TOML."""

import tomllib
from collections.abc import Mapping, Sequence
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Literal, Protocol

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shortstack.config.given import Given
from shortstack.config.overrides import overridden
from shortstack.config.reader import structure
from shortstack.errors import ConfigurationError

ODD = ("1_000", "007", "1e3", "true", "2009-05-04", "nan", "[1]", "{a = 1}", "none", "", " ", " 1 ", "1 # b", "a, b")
"""Texts that TOML takes for something else, or only for a part of them."""
TYPED = st.text(st.characters(exclude_characters="\0", codec="utf-8")).filter(
    lambda text: text.strip()[:1] not in {*"'\""}
)
"""Texts that may be typed, but those that begin as a TOML text does."""


class Order(Protocol):
    """An object that Python alone can give."""

    def rank(self) -> int:
        """Return a rank."""


class Colour(Enum):
    """Members that files name by texts."""

    ONE = "1"
    TRUE = "true"


class Level(IntEnum):
    """Members that files name by numbers."""

    LOW = 1


@attrs.frozen(kw_only=True)
class Inner:
    """A table in a table."""

    name: str = ""
    size: int = 0


@attrs.frozen(kw_only=True)
class Settings:
    """A setting of each kind."""

    text: str = ""
    maybe: str | None = None
    path: Path = Path()
    choice: Literal["1", "true", "none"] = "1"
    colour: Colour = Colour.ONE
    object_or_text: str | Given = ""
    strategy: str | Order = ""
    texts_or_text: str | tuple[str, ...] = ""
    text_or_table: str | Mapping[str, Any] = ""
    by_name: Mapping[str, str] = attrs.field(factory=dict)
    inner: Inner | None = None
    inners: Mapping[str, Inner] = attrs.field(factory=dict)
    number: float = 0.0
    count: int | None = None
    flag: bool = False
    level: Level = Level.LOW
    text_or_number: str | float = ""
    number_or_choice: int | Literal["all"] = 0
    texts: Sequence[str] = ()
    numbers: tuple[float, ...] = ()
    anything: Any = None


def read(override: str) -> Any:
    """Return the value that one override gives."""
    path, _, _ = override.partition("=")
    value: Any = overridden({}, [override], {(): lambda: Settings})
    for name in path.split("."):
        value = value[name]
    return value


TEXTS = (
    "text",
    "maybe",
    "path",
    "object_or_text",
    "strategy",
    "by_name.any",
    "by_name.7",
    "inner.name",
    "inners.any.name",
)


@given(st.sampled_from(TEXTS), TYPED)
@example("text", "none")
@example("text", "1] # b")
@example("text", "1]\nb = [2")
def test_a_text_is_taken_as_it_is_written(setting, text):
    """Whatever else it could be; where a setting may be left out, ``none`` does that."""
    expected = None if setting == "maybe" and text.strip() == "none" else text

    assert expected == read(f"{setting}={text}")


@given(
    st.sampled_from(TEXTS),
    st.text(st.characters(exclude_characters="\0\x7f", codec="utf-8", exclude_categories=["Cc"])),
)
def test_a_text_in_quotes_is_what_toml_reads(setting, text):
    """So a column may be called none, or have quotes around its name."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')

    assert text == read(f'{setting}="{escaped}"')


@pytest.mark.parametrize("text", ODD)
def test_the_reader_gets_what_was_written(text):
    """The settings object has the text too, not another that a number was turned into."""
    tables = overridden({}, [f"text={text}", f"inner.name={text}", f"path=/{text}"], {(): lambda: Settings})
    built = structure(Settings, tables, "")

    assert (text, Inner(name=text), Path(f"/{text}")) == (built.text, built.inner, built.path)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("choice=1", "1"),
        ("choice=true", "true"),
        ("choice=none", "none"),
        ("colour=1", "1"),
        ("colour=true", "true"),
        ("level=1", 1),
        ("maybe=none", None),
        ('maybe="none"', "none"),
        ("texts_or_text=1_000", "1_000"),
        ('texts_or_text=["1_000"]', ["1_000"]),
        ("text_or_table=1", "1"),
        ("text_or_table={a = 1}", {"a": 1}),
        ("text_or_number=1_000", 1000),
        ("text_or_number=true", "true"),
        ("number_or_choice=all", "all"),
        ("number_or_choice=3", 3),
        ("count=none", None),
        ("inner=none", None),
        ("inner={name = 1}", {"name": 1}),
        ("anything=1_000", 1000),
        ("anything=2009-05-04", "2009-05-04"),
        ("unknown=1_000", 1000),
        ("unknown.deeper=1_000", 1000),
        ("number.from=4.0", 4.0),
    ],
)
def test_the_type_decides(override, value):
    """What a type takes beside texts is TOML's; so is the value of a setting whose type is not known."""
    found = read(override)

    assert (value, type(value)) == (found, type(found))


SCALARS = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.integers(0, 2**62).map("{:_}".format),
    st.integers(0, 2**62).map(hex),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(["true", "false"]),
)


@given(
    st.sampled_from(["number", "count", "flag", "level", "texts", "numbers", "anything", "inner.size", "unknown"]),
    SCALARS | st.lists(SCALARS, max_size=3).map(lambda values: f"[{', '.join(values)}]"),
)
def test_another_type_is_read_as_toml(setting, written):
    """Numbers, truth values and lists are what a file would say, blanks around them or not."""
    expected = tomllib.loads(f"value = {written}")["value"]

    assert expected == read(f"{setting}={written}") == read(f"{setting}= {written} ")
    assert type(expected) is type(read(f"{setting}={written}"))


def test_a_wrong_value_is_refused_as_in_a_file():
    """A text is no number, and the message is the reader's."""
    with pytest.raises(ConfigurationError, match="count takes a whole number, got 'many'"):
        structure(Settings, overridden({}, ["count=many"], {(): lambda: Settings}), "")


def test_classes_are_looked_up_when_they_are_needed():
    """The class of a table that no override goes into is never asked for."""

    def unexpected():
        raise AssertionError("looked up")

    classes = {(): lambda: Settings, ("anything",): unexpected, ("by_name",): lambda: None}
    overrides = ["by_name.x=1", "number=1", "anything=1"]

    assert {"by_name": {"x": "1"}, "number": 1, "anything": 1} == overridden({}, overrides, classes)
    with pytest.raises(AssertionError, match="looked up"):
        overridden({}, ["anything.x=1"], classes)


def test_one_override_is_no_list():
    """Its letters would be taken for overrides."""
    with pytest.raises(
        ConfigurationError, match=r"overrides takes a list of texts, got the text 'seed=1'; write \['seed=1'\]"
    ):
        overridden({}, "seed=1")
