"""Equal objects have equal digests, in another process too; whatever changes what an object does changes its digest."""

import functools
import importlib
import os
import re
import subprocess
import sys
import textwrap
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from torch import nn

from shortstack.config.given import Given, renew_digests
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


class Shares:
    """Settings in the class."""

    shares = (0.8, 0.1)
    table = {"a": [1, 2]}  # noqa: RUF012 -- what is tried


def other_shares(name, value):
    """The same class with another value of an attribute."""
    return type("Shares", (Shares,), {"__module__": __name__, "__qualname__": "Shares", name: value})()


class Scaled(nn.Linear):
    """A module with a setting that is no tensor."""

    def __init__(self, factor):
        """Keep it."""
        torch.manual_seed(0)
        super().__init__(2, 2)
        self.factor = factor


class Pair(NamedTuple):
    """A tuple with a name."""

    first: int


class Colour(Enum):
    """An enumeration."""

    RED = 1
    BLUE = 2


class Weighted(nn.Module):
    """A loss whose weight is a tensor, but neither parameter nor buffer."""

    def __init__(self, weight):
        """Keep it."""
        super().__init__()
        self.weight = torch.tensor(weight)

    def forward(self, student):
        """Return the weighted sum."""
        return self.weight * student


class Decorated:
    """A decorator with a state of its own, as functools documents it."""

    def __init__(self, function, factor):
        """Keep both."""
        functools.update_wrapper(self, function)
        self.function, self.factor = function, factor

    def __call__(self, given):
        """Call the function."""
        return self.factor * self.function(given)


class Table(dict):
    """A dictionary with attributes."""


class Rows(list):
    """A list with attributes."""


def with_attribute(value, limit):
    """An object with an attribute."""
    value.limit = limit
    return value


def with_member(name, member):
    """An instance of a class with a member of any kind."""
    return type("Made", (), {"__module__": __name__, name: member})()


def patched(factor):
    """A module of torch whose forward was replaced."""
    return with_forward(linear(0), lambda given: factor * given)


def with_forward(module, forward):
    """A module with another forward."""
    module.forward = forward
    return module


def hooked(factor, *, before=False):
    """A module of torch with a hook."""
    module = linear(0)
    if before:
        module.register_forward_pre_hook(lambda _module, given: factor * given[0])
    else:
        module.register_forward_hook(functools.partial(lambda factor, _module, _given, out: factor * out, factor))
    return module


def repeated(order):
    """A list in which an object stands twice."""
    first, second = Plain(1), Plain(2)
    return [first, second, (first, second)[order]]


SAME = {
    "decorator class": lambda: Decorated(closed_over, 1),
    "tensor attribute": lambda: Weighted(1.0),
    "method of a module": lambda: Weighted(1.0).forward,
    "holder of a module": lambda: Plain(Weighted(1.0)),
    "partial method": lambda: with_member("twice", functools.partialmethod(closed_over, 1)),
    "partial to call": lambda: with_member("__call__", functools.partial(closed_over, 1)),
    "dictionary with an attribute": lambda: with_attribute(Table(a=1), 1),
    "list with an attribute": lambda: with_attribute(Rows([1]), 1),
    "patched forward": lambda: patched(1),
    "callable forward": lambda: with_forward(linear(0), Decorated(closed_over, 1)),
    "hook": lambda: hooked(1),
    "hook before": lambda: hooked(1, before=True),
    "pattern": lambda: re.compile("a", 0),
    "class attribute": lambda: other_shares("shares", (0.5, 0.1)),
    "class table": lambda: other_shares("table", {"a": [1, 2]}),
    "module setting": lambda: Scaled(5),
    "dropout": lambda: nn.Dropout(0.1),
    "repeated": lambda: repeated(0),
    "decimals": lambda: [Decimal(1), Decimal(2)],
    "cached function": lambda: functools.cache(closed_over(1)),
    "default factory": lambda: defaultdict(int, {"a": 1}),
    "named tuple": lambda: Pair(1),
    "member": lambda: Colour.RED,
    "keyed by functions": lambda: {closed_over: 1},
    "series": lambda: pd.Series([1, 2]),
    "indexed": lambda: pd.DataFrame({"a": [1]}, index=pd.Index(["u"], name="user")),
    "decimal column": lambda: pl.DataFrame({"a": [Decimal("1.5")]}),
    "partial": lambda: functools.partial(closed_over, 1),
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
    "decorator class": lambda: Decorated(closed_over, 2),
    "tensor attribute": lambda: Weighted(2.0),
    "method of a module": lambda: Weighted(2.0).forward,
    "holder of a module": lambda: Plain(Weighted(2.0)),
    "partial method": lambda: with_member("twice", functools.partialmethod(closed_over, 2)),
    "partial to call": lambda: with_member("__call__", functools.partial(closed_over, 2)),
    "dictionary with an attribute": lambda: with_attribute(Table(a=1), 2),
    "list with an attribute": lambda: with_attribute(Rows([1]), 2),
    "patched forward": lambda: patched(2),
    "callable forward": lambda: with_forward(linear(0), Decorated(closed_over, 2)),
    "hook": lambda: hooked(2),
    "hook before": lambda: hooked(2, before=True),
    "pattern": lambda: re.compile("a", re.IGNORECASE),
    "class attribute": lambda: other_shares("shares", (0.3, 0.1)),
    "class table": lambda: other_shares("table", {"a": [1, 3]}),
    "module setting": lambda: Scaled(-5),
    "dropout": lambda: nn.Dropout(0.5),
    "repeated": lambda: repeated(1),
    "decimals": lambda: [Decimal(1), Decimal(3)],
    "cached function": lambda: functools.cache(closed_over(2)),
    "default factory": lambda: defaultdict(float, {"a": 1}),
    "named tuple": lambda: Pair(2),
    "member": lambda: Colour.BLUE,
    "keyed by functions": lambda: {closed_over: 2},
    "series": lambda: pd.Series([1, 3]),
    "indexed": lambda: pd.DataFrame({"a": [1]}, index=pd.Index(["v"], name="user")),
    "decimal column": lambda: pl.DataFrame({"a": [Decimal("1.6")]}),
    "partial": lambda: functools.partial(closed_over, 2),
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

    FACTOR, LIMIT = {factor}, {limit}

    def helper(x):
        return FACTOR * x

    class Mine:
        names = {{"a", "b", "c"}}

        def __init__(self):
            self.kept = {{"d", "e", "f"}}

        def choose(self, x):
            return helper(x)

        def nested(self, x):
            return [y for y in map(lambda z: z <= LIMIT, x)]

    print(digest_of_object(Mine()))
""")


def test_of_a_script_in_other_processes():
    """The same whatever the hash salt; a global that a method's helper reads counts, a comment does not."""

    def run(text, salt):
        command = [sys.executable, "-c", text]
        environment = os.environ | {"PYTHONHASHSEED": salt}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    first, again = (run(SCRIPT.format(factor=2, limit=1), salt) for salt in "12")

    assert first == again == run(SCRIPT.format(factor=2, limit=1) + "# more\n", "3")
    assert first != run(SCRIPT.format(factor=3, limit=1), "1")
    assert first != run(SCRIPT.format(factor=2, limit=20), "1")


def test_a_module_that_is_used_by_name(tmp_path, monkeypatch):
    """Another file, and another module of the same use, are other objects."""
    monkeypatch.syspath_prepend(tmp_path)
    digests = []
    for name, text in (("own_helpers_a", "def f(x): return x\n"), ("own_helpers_b", "def f(x): return 2 * x\n")):
        (tmp_path / f"{name}.py").write_text(text)
        digests.append(digest_of_object({"module": importlib.import_module(name)}))

    assert digests[0] != digests[1]


HELPERS = {
    "a name": ("from own_helper import factor", "def loss(x):\n    return factor(x)"),
    "a module": ("import own_helper", "def loss(x):\n    return own_helper.factor(x)"),
    "within a function": ("", "def loss(x):\n    from own_helper import factor\n    return factor(x)"),
}


@pytest.mark.parametrize("kind", HELPERS)
@pytest.mark.parametrize("script", [True, False])
def test_a_helper_of_ones_own(tmp_path, kind, script):
    """The file of a module that the object's module imports, itself or in turn, is its code as well."""
    head, body = HELPERS[kind]
    where = "script" if script else "own_loss"
    (tmp_path / "own_loss.py").write_text(f"{head}\n{body}\n")
    (tmp_path / "own_helper.py").write_text("from own_deep import FACTOR\n\ndef factor(x):\n    return FACTOR * x\n")
    begin = f"{head}\n{body}\n" if script else f"from {where} import loss\n"
    text = f"{begin}from shortstack.config.object_digest import digest_of_object\nprint(digest_of_object(loss))\n"
    (tmp_path / "script.py").write_text(text)

    def digest(factor):
        (tmp_path / "own_deep.py").write_text(f"FACTOR = {factor}\n")
        command = [sys.executable, "-B", "script.py"]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    first = digest(2)

    assert first == digest(2)
    assert first != digest(3)


def test_digests_are_made_anew_for_each_run():
    """A notebook changes what its functions hold."""
    holder = Plain(1)
    given = Given.of(holder)
    before = given.digest
    holder.value = 2

    assert given.digest == before
    renew_digests([{"a": given}])
    assert given.digest != before
