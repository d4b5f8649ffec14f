"""Equal values of a setting have one key, whoever reads it and however it is written; others have keys of their own."""

import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
import pytest
from pipeline.conftest import ring_tables

from shortstack import Run
from shortstack.config.reader import replace
from shortstack.config.run import RunConfig
from shortstack.contracts import DatasetDescriptor, LossDescriptor, ScorerDescriptor, StudentDescriptor
from shortstack.pipeline.declared import with_declared_types
from shortstack.pipeline.runner import stages_of
from shortstack.registry import Origin, Registry
from shortstack.registry.plugin_hooks import offering


class Mode(Enum):
    """Two modes."""

    FAST = "fast"
    SLOW = "slow"


@attrs.frozen(kw_only=True)
class Inner:
    """A nested table."""

    share: float = 0.5
    count: int = 3


@attrs.frozen(kw_only=True)
class Settings:
    """A setting of each type whose values may be written in several ways."""

    rate: float = 0.5
    maybe: float | None = None
    rates: list[float] = attrs.field(factory=list)
    pair: tuple[float, str] = (0.5, "")
    named: Mapping[str, float] = attrs.field(factory=dict)
    inner: Inner = attrs.field(factory=Inner)
    inners: tuple[Inner, ...] = ()
    level: Literal[1.0, 2.0] = 2.0
    words: frozenset[str] = frozenset()
    either: float | str = ""
    text: str = ""
    folder: Path = Path("x")
    mode: Mode = Mode.SLOW
    whole: int = 1
    number: int | float = 0.5
    anything: Any = None

    def measure(self, probe):
        """Measure nothing, as a scorer."""


EQUAL = {
    "float": ("rate", [1.0, 1, np.float64(1), np.float32(1), np.int64(1)]),
    "optional": ("maybe", [1.0, 1]),
    "list": ("rates", [[1.0, 2.0], [1, 2], (1, 2.0), np.array([1, 2]).tolist()]),
    "pair": ("pair", [[1.0, "3"], [1, 3]]),
    "table": ("named", [{"a": 1.0, "b": 2.0}, {"b": 2, "a": 1}]),
    "nested": ("inner", [{"share": 1.0}, {"share": 1}, {"share": 1, "count": 3}, Inner(share=1.0), Inner(share=1)]),
    "list of nested": ("inners", [[{"share": 1.0}], (Inner(share=1),)]),
    "choice": ("level", [1.0, 1]),
    "set": ("words", [["a", "b"], ["b", "a"], {"a", "b"}, frozenset({"a", "b"})]),
    "union": ("either", [1.0, 1]),
    "text": ("text", ["7", 7]),
    "path": ("folder", ["a/b", "a//b/", Path("a/b")]),
    "enumeration": ("mode", ["fast", Mode.FAST]),
    "whole number": ("whole", [7, np.int64(7)]),
    "anything": ("anything", [7, np.int64(7)]),
}
APART = {
    "another number": ("rate", [1.0, 2.0]),
    "a whole number is not a share": ("number", [1, 1.0]),
    "true is no 1": ("anything", [True, 1, 1.0]),
    "nested": ("inner", [{"share": 1.0}, {"share": 1.0, "count": 4}]),
    "an order": ("rates", [[1.0, 2.0], [2.0, 1.0]]),
    "a text of a number": ("either", [1.0, "1"]),
}
TABLES = {
    "data.settings": {"data.adapter": "mine"},
    "student.settings": {"student.architecture": "mine"},
    "importance.settings.mine": {"importance.scorers": ["mine", "hybrid"]},
    "distillation.losses.mine": {"distillation.losses": {"mine": {}}},
    "distillation.losses.any": {"distillation.losses": {"any": {"loss": "mine"}}},
    "task.settings": {"task.name": ":Task", "task.settings": {}},
    "selection.settings": {"selection.strategy": ":Strategy"},
}
"""Each table that belongs to a plugin, and what names the plugin."""
MODULE = """
import attrs
from shortstack.selection.strategies import Last
from shortstack.tasks.next_item import NextItem

@attrs.frozen(kw_only=True)
class Task(NextItem):
    rate: float = 0.5

@attrs.frozen(kw_only=True)
class Strategy:
    rate: float = 0.5
    name = "mine"
    keeps = Last.keeps

    def choose(self, question, keep):
        return Last().choose(question, keep)
"""


@pytest.fixture(scope="module")
def registry():
    """The built-in plugins, and a component ``mine`` of each kind."""
    plugins = Registry.from_environment()
    for descriptor in (DatasetDescriptor, LossDescriptor, ScorerDescriptor, StudentDescriptor):
        made = descriptor(name="mine", summary="Made up.", config=Settings, build=lambda settings: settings)
        plugins = plugins.beside(offering(made), Origin(f"my-{descriptor.__name__}", "main", "1.0"))
    return plugins


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """The name of a module with a task and a strategy of these settings."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "with_equal_values.py").write_text(MODULE, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield "with_equal_values"
    sys.path.remove(str(folder))
    sys.modules.pop("with_equal_values", None)


def tables_with(changes, module=""):
    """Return the tables of a run with settings at dotted paths."""
    tables = ring_tables("x.csv")
    for path, value in changes.items():
        tables = replace(tables, path, f"{module}{value}" if str(value).startswith(":") else value)
    return tables


def keys(tables, registry, names=None):
    """Return the planned keys of stages by name, each as if those before it had the same key; by default of all."""
    run = RunConfig.from_mapping(tables)
    stages = [stage for stage in stages_of(run) if names is None or stage.name in names]
    earlier = dict.fromkeys((stage.name for stage in stages_of(run)), "")
    return {stage.name: stage.planned_key(run, registry, earlier) for stage in stages}


class TestPlugins:
    """The settings of plugins, whose classes a run's file does not know."""

    @pytest.mark.parametrize("case", EQUAL)
    def test_equal_values_have_one_key(self, registry, case):
        """From a file and from Python."""
        name, values = EQUAL[case]
        given = [tables_with({"student.architecture": "mine", f"student.settings.{name}": value}) for value in values]
        made = [keys(tables, registry, {"pruning"})["pruning"] for tables in given]

        assert [made[0]] * len(values) == made

    @pytest.mark.parametrize("case", APART)
    def test_others_have_keys_of_their_own(self, registry, case):
        """So that nothing is kept that was made with another value."""
        name, values = APART[case]
        given = [tables_with({"student.architecture": "mine", f"student.settings.{name}": value}) for value in values]
        made = [keys(tables, registry, {"pruning"})["pruning"] for tables in given]

        assert len({*made}) == len(values)

    @pytest.mark.parametrize("table", TABLES)
    def test_in_every_table_of_a_plugin(self, registry, module, table):
        """A whole number where a float belongs, whatever kind of plugin reads it."""
        one, other, another = (
            keys(tables_with(TABLES[table] | {f"{table}.rate": rate}, module), registry) for rate in (1, 1.0, 2.0)
        )

        assert one == other != another

    @pytest.mark.parametrize(
        ("path", "equal"),
        [
            ("distillation.losses.soft-targets", [{"weight": 1}, {"weight": 1.0}]),
            ("distillation.losses.soft-targets.temperature", [{"from": 4, "to": 1}, {"from": 4.0, "to": 1.0}]),
            ("distillation.balancing", [{"name": "ema", "decay": 0}, {"name": "ema", "decay": 0.0}]),
            ("distillation.losses.labels", [2, 2.0]),
            ("distillation.losses.labels", [2.0, {"weight": 2}]),
            ("distillation.losses.labels", [1.0, {}]),
            ("distillation.losses.labels", [1.0, {"loss": "labels"}]),
            ("distillation.losses.soft-targets", [{"temperature": 4}, {"temperature": 4.0, "weight": 1}]),
            ("distillation.balancing", ["ema", {"name": "ema"}]),
        ],
    )
    def test_what_every_loss_has(self, registry, path, equal):
        """Weights, lines over the steps, and the balancing."""
        one, other = (keys(tables_with({path: value}), registry) for value in equal)

        assert one == other

    @pytest.mark.parametrize("written", ["1", "1.0", "1e0"])
    def test_after_set(self, tmp_path, registry, written):
        """As in a file."""
        file = tmp_path / "run.toml"
        file.write_text(
            'data = { source = "x.csv" }\nteacher = { config = { model_type = "llama" } }\n', encoding="utf-8"
        )
        run, usual = (
            Run.from_toml(file, [f"distillation.losses.soft-targets.temperature={text}"], registry=registry)
            for text in (written, "1.0")
        )

        assert keys(usual.to_mapping(), registry) == keys(run.to_mapping(), registry)

    def test_values_of_their_types_stay_as_they_are(self, registry):
        """So the keys of finished runs stay, defaults that are written out included."""
        own = {"rate": 0.5, "rates": [1.0], "inner": {"count": 4}, "words": ["a", "b"], "text": "7", "mode": "fast"}
        losses = {"soft-targets": {"weight": 2.0, "temperature": {"from": 4.0, "to": 1.0}}, "labels": 1.0}
        run = RunConfig.from_mapping(
            tables_with({"student.architecture": "mine", "student.settings": own, "distillation.losses": losses})
        )

        assert run.to_json() == with_declared_types(run, registry).to_json()


@pytest.mark.parametrize(
    ("setting", "equal"),
    [
        ("latency_ms", [2, 2.0, "2", "2.0", np.float64(2)]),
        ("parameters", [400_000, 400_000.0, "400K", "400_000", 4e5, "0.4M"]),
        ("bytes", [10**6, 1e6, "1M"]),
        ("keep_ratio", [1, 1.0, "1", "100%"]),
        ("keep_ratio", [0.25, "25%", "0.25", np.float32(0.25)]),
        ("keep_layers", [2, "2", np.int64(2)]),
    ],
)
def test_budgets(setting, equal):
    """Amounts, however they are written."""
    registry = Registry.from_environment()
    tables = ring_tables("x.csv")
    made = [keys({**tables, "selection": {setting: value}}, registry, {"selection"}) for value in equal]

    assert [made[0]] * len(equal) == made
