"""What passes a boundary, and as what."""

import json
import os

import pytest

from shortstack.boundaries import json_object, read_as
from shortstack.errors import ConfigurationError, DataError, SourceNotFoundError
from shortstack.files import read_json, write_json


class Panic(BaseException):
    """As libraries written in Rust raise it."""


@pytest.mark.parametrize(
    "problem", [KeyError("x"), Panic("x"), OSError(40, "x"), RecursionError("x"), AssertionError("x")]
)
def test_whatever_a_library_raises(problem):
    """It is one line, whose cause is kept."""
    with (
        pytest.raises(SourceNotFoundError, match=r"a\.bin is damaged \(.*x.*\); remove it") as error,
        read_as("a.bin", "is damaged", "remove it", error=SourceNotFoundError),
    ):
        raise problem
    assert error.value.__cause__ is problem


def test_an_error_without_words():
    """The message names its type."""
    with pytest.raises(DataError, match=r"^a\.bin is damaged \(AssertionError\)$"), read_as("a.bin", "is damaged"):
        raise AssertionError


@pytest.mark.parametrize("problem", [MemoryError(), KeyboardInterrupt(), SystemExit(3)])
def test_what_is_no_files_fault(problem):
    """It passes as it is."""
    with pytest.raises(type(problem)) as error, read_as("a.bin", "is damaged"):
        raise problem
    assert error.value is problem


@pytest.mark.parametrize(("text", "notes"), [("seed is -1", ["it is about a.json"]), ("a.json: seed is -1", [])])
def test_our_own_errors(text, notes):
    """They keep their kind, and name the file once, however many boundaries there are."""
    with pytest.raises(ConfigurationError) as error, read_as("a.json", "is none"), read_as("a.json", "is none"):
        raise ConfigurationError(text)
    assert getattr(error.value, "__notes__", []) == notes


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_only_plain_files_are_opened(tmp_path, kind):
    """A device has no end, and a pipe no writer."""
    path = tmp_path / "x.json"
    {"device": lambda: path.symlink_to("/dev/zero"), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    with pytest.raises(DataError, match=r"x\.json is no JSON object \(it is no plain file\)"):
        json_object(path)


def test_halves_of_surrogate_pairs_are_written(tmp_path):
    """As JSON spells them."""
    write_json(tmp_path / "x.json", {"a": "\ud800"})

    assert "\\ud800" in (tmp_path / "x.json").read_text()
    assert read_json(tmp_path / "x.json") == json.loads('{"a": "\\ud800"}')
