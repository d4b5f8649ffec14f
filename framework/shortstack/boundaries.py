"""Boundaries: whatever is raised while a file is read becomes one error that names the file; and a text is no list of texts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from shortstack.errors import ConfigurationError, DataError, ShortstackError

_PASSED_ON: Final = (MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit)
_LONGEST: Final = 200
"""Characters of a library's own words that a message keeps."""


@contextmanager
def read_as(
    path: Path | str, wrong: str, advice: str = "", *, error: type[ShortstackError] = DataError
) -> Iterator[None]:
    """Turn whatever a library raises inside into an error about a file.

    Libraries raise errors of many kinds for damaged files, those written in Rust even some that are no ``Exception``; a list
    of kinds would never be complete.

    Args:
        path: The file or folder.
        wrong: What is then said of it: ``"is no config of a model"``.
        advice: What to do; empty where the file's name says enough.
        error: The kind of error to raise.

    Raises:
        ShortstackError: Something was raised. Errors of our own pass, with a note where they do not name the file; a lack of
            memory and Ctrl-C pass as they are.

    >>> with read_as("x.txt", "holds no number", "write one"):
    ...     int("a")
    Traceback (most recent call last):
    shortstack.errors.DataError: x.txt holds no number (invalid literal for int() with base 10: 'a'); write one
    """
    try:
        yield
    except _PASSED_ON:
        raise
    except ShortstackError as own:
        if not any(str(path) in text for text in (str(own), *getattr(own, "__notes__", ()))):
            own.add_note(f"it is about {path}")
        raise
    except BaseException as problem:
        way_out = f"; {advice}" if advice else ""
        raise error(f"{path} {wrong} ({in_one_line(problem)}){way_out}") from problem


def in_one_line(problem: BaseException) -> str:
    """Return the beginning of an error's message in one line, or its kind if it has none."""
    return " ".join(str(problem).split())[:_LONGEST] or type(problem).__name__


class RepeatedKeyError(ValueError):
    """A JSON object has a key twice, of which Python would take the last without a word."""


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of some pairs; for ``json.loads(text, object_pairs_hook=without_repeats)``, of what users write.

    Raises:
        RepeatedKeyError: A key is there twice.

    >>> json.loads('{"a": 1, "a": 2}', object_pairs_hook=without_repeats)
    Traceback (most recent call last):
    shortstack.boundaries.RepeatedKeyError: the key 'a' is there 2 times; leave the right one
    """
    whole = dict(pairs)
    if len(whole) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RepeatedKeyError(f"the key {twice!r} is there {names.count(twice)} times; leave the right one")
    return whole


def json_object(path: Path, wrong: str = "is no JSON object", advice: str = "") -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Args:
        path: The file.
        wrong: As for ``read_as``.
        advice: As for ``read_as``.

    Raises:
        DataError: It is no plain file, cannot be read, is no JSON, or holds something else.
    """
    with read_as(path, wrong, advice):
        if not path.is_file():  # a device or a pipe may have no end
            raise ValueError("it is no plain file")
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise TypeError(f"it must hold an object, got {type(found).__name__}")
    return found


def refuse_text(name: str, given: object) -> None:
    """Raise if one text is given where a list of texts is expected: each of its letters would be taken for one.

    Args:
        name: Name of the argument.
        given: What is given for it.

    Raises:
        ConfigurationError: It is a text.

    >>> refuse_text("models", "student")
    Traceback (most recent call last):
    shortstack.errors.ConfigurationError: models takes a list of texts, got the text 'student'; write ['student']
    """
    if isinstance(given, str):
        raise ConfigurationError(f"{name} takes a list of texts, got the text {given!r}; write [{given!r}]")
