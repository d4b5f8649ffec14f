"""Objects within tables of settings: they are known by their digest where their place does not say of which class they are."""

import json
from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from shortstack import Run
from shortstack.config.reader import structure
from shortstack.config.run import RunConfig
from shortstack.config.writer import unstructure
from shortstack.errors import ConfigurationError
from shortstack.pipeline.selection import selection_stage
from shortstack.planning.schedule import Round
from shortstack.registry import Registry
from shortstack.selection.strategies import First, Last, Random


@attrs.frozen
class Bound:
    """Two numbers."""

    low: float = 0.0
    high: float = 1.0


@attrs.frozen
class Typed:
    """Settings whose annotations name the class of every object."""

    one: Bound = Bound()
    several: tuple[Bound, ...] = ()
    named: Mapping[str, Bound] = attrs.field(factory=dict)


@attrs.frozen
class Untyped:
    """Settings that may hold anything."""

    one: Any = None
    several: tuple[Any, ...] = ()
    named: Mapping[str, Any] = attrs.field(factory=dict)


def key(by):
    """Return what the selection depends on, as the stage's key hashes it."""
    tables = {
        "data": {"source": "x"},
        "teacher": {"path": "y"},
        "selection": {"strategy": "adaptive", "settings": {"by": by}, "keep_layers": 2},
    }
    run = RunConfig.from_mapping(tables)
    depends_on = selection_stage(Round(number=1, steps=1)).depends_on
    return json.dumps(unstructure(depends_on(run, Registry.from_environment())), sort_keys=True)


def test_strategies_of_two_classes_give_two_keys():
    """``First()`` and ``Last()`` have equal fields, none at all."""
    assert attrs.asdict(First()) == attrs.asdict(Last())
    assert key(First()) != key(Last())


def test_equal_objects_give_one_key_and_another_field_another():
    """The digest is of the content and the code, not of the object's place in memory."""
    assert key(Random(seed=3)) == key(Random(seed=3)) != key(Random(seed=4))


@pytest.mark.parametrize(
    "place",
    [lambda held: {"one": held}, lambda held: {"several": (held,)}, lambda held: {"named": {"a": held}}],
    ids=["field", "list", "table"],
)
def test_where_the_class_is_known_fields_are_written(place):
    """They are read back; where it is not, name and digest are, and no file can hold the object."""
    typed, untyped = Typed(**place(Bound(high=2.0))), Untyped(**place(Bound(high=2.0)))
    written = json.loads(json.dumps(unstructure(untyped)))

    assert structure(Typed, json.loads(json.dumps(unstructure(typed))), "t") == typed
    assert '"python object": "bound", "digest": "' in json.dumps(written)
    with pytest.raises(ConfigurationError, match=r"^u\.\S+ is an object, 'bound', that Run was given in Python"):
        structure(Untyped, written, "u")


def test_a_table_without_annotations_holds_anything():
    """As the settings of a scorer, which a stage's key takes out of the run's."""
    first, last = (unstructure({"mine": {"strategy": strategy}}) for strategy in (First(), Last()))

    assert first["mine"]["strategy"]["python object"] == "first"
    assert first["mine"]["strategy"]["digest"] != last["mine"]["strategy"]["digest"]


@pytest.mark.parametrize(("weight", "shown"), [(True, "True"), ("none", "'none'"), (None, "None")])
def test_all_that_a_setting_takes_is_said(weight, shown):
    """Not the last of its types alone: a loss has a weight, or a table of settings."""
    message = f"^distillation.losses.labels takes a number or a table, got {shown}"
    with pytest.raises(ConfigurationError, match=message):
        Run(data="d", teacher="t", losses={"labels": weight})
