"""Equal objects have equal digests, in another process too; whatever changes what an object does changes its digest."""

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import attrs
import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from shortstack.config.object_digest import digest_of_object
from shortstack.errors import ConfigurationError


@attrs.frozen
class Settings:
    """Two numbers."""

    first: int = 1
    second: tuple[float, ...] = (0.5,)


@dataclass
class Data:
    """A dataclass."""

    value: int = 1


class Plain:
    """Attributes in a dictionary."""

    def __init__(self, value):
        """Keep it."""
        self.value = value

    def twice(self):
        """A method."""
        return 2 * self.value


def closed_over(value):
    """A function that holds a value."""
    return lambda given: given + value


def linear(seed):
    """A module with weights of its own."""
    torch.manual_seed(seed)
    return nn.Linear(3, 2)


SAME = {
    "attrs": lambda: Settings(first=2),
    "dataclass": lambda: Data(2),
    "plain": lambda: Plain([1, {"a": 2.0}]),
    "closure": lambda: closed_over(3),
    "method": lambda: Plain(1).twice,
    "module": lambda: linear(0),
    "array": lambda: np.arange(4),
    "table": lambda: pl.DataFrame({"a": ["x", None]}),
    "set": lambda: {"b", "a", "c"},
    "generator": lambda: np.random.default_rng(1),
}
OTHER = {
    "attrs": lambda: Settings(first=3),
    "dataclass": lambda: Data(3),
    "plain": lambda: Plain([1, {"a": 2.5}]),
    "closure": lambda: closed_over(4),
    "method": lambda: Plain(2).twice,
    "module": lambda: linear(1),
    "array": lambda: np.arange(4.0),
    "table": lambda: pl.DataFrame({"a": [None, "x"]}),
    "set": lambda: {"b", "a", "d"},
    "generator": lambda: np.random.default_rng(2),
}


@pytest.mark.parametrize("name", SAME)
def test_equal_or_not(name):
    """Built twice alike, and once otherwise."""
    first, again, other = (digest_of_object(make()) for make in (SAME[name], SAME[name], OTHER[name]))

    assert first == again != other


def test_a_circle():
    """An object that holds itself."""
    first, second = Plain(1), Plain(1)
    first.itself, second.itself = first, second

    assert digest_of_object(first) == digest_of_object(second)


def test_its_own_digest():
    """An object that has one is known by that."""
    first, second = Plain(1), Plain(2)
    first.digest = second.digest = "the same"

    assert digest_of_object(first) == digest_of_object(second)


@pytest.mark.parametrize("kind", ["file", "generator"])
def test_what_nothing_tells(kind):
    """An open file, a generator: the error names the attribute."""
    with open(__file__, encoding="utf-8") as file:  # noqa: PTH123
        value = Plain([file if kind == "file" else (n for n in range(3))])
        with pytest.raises(ConfigurationError, match=r"Plain\.value\[0\] is a .*give the object an attribute digest"):
            digest_of_object(value)


SCRIPT = textwrap.dedent("""
    from shortstack.config.object_digest import digest_of_object

    FACTOR = {factor}

    def helper(x):
        return FACTOR * x

    class Mine:
        names = {{"a", "b", "c"}}

        def __init__(self):
            self.kept = {{"d", "e", "f"}}

        def choose(self, x):
            return helper(x)

    print(digest_of_object(Mine()))
""")


def test_of_a_script_in_other_processes():
    """The same whatever the hash salt; a global that a method's helper reads counts, a comment does not."""

    def run(text, salt):
        command = [sys.executable, "-c", text]
        environment = os.environ | {"PYTHONHASHSEED": salt}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    first, again = (run(SCRIPT.format(factor=2), salt) for salt in "12")

    assert first == again == run(SCRIPT.format(factor=2) + "# more\n", "3")
    assert first != run(SCRIPT.format(factor=3), "1")
