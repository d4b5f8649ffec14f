"""Settings named by their dotted paths are replaced, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack import ConfigurationError, Run, UnknownNameError
from shortstack.config.changes import by_path, setting_at, with_settings
from shortstack.pipeline.provenance import differences

BASE = Run(
    data="ml-100k",
    teacher={"config": {"model_type": "llama", "hidden_size": 16}, "fit": {"steps": 9, "warmup_steps": 0}},
)
VALUES = {
    "seed": st.integers(0, 2**32 - 1),
    "selection.keep_ratio": st.floats(0.01, 1.0),
    "selection.strategy": st.sampled_from(["first", "last", "uniform"]),
    "teacher.fit.steps": st.integers(1, 999),
    "teacher.config.hidden_size": st.integers(1, 64),
    "distillation.losses.labels": st.floats(0.5, 2.0),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_named_changes_and_nothing_else(settings):
    """The run that comes out differs from the base in the named settings, and has their values."""
    changed = with_settings(BASE, settings)

    assert {path: setting_at(changed, path) for path in settings} == settings
    assert {change.name for change in differences(BASE.to_mapping(), changed.to_mapping())} <= settings.keys()


@pytest.mark.parametrize("path", ["selection.keep_layers", "selection.layers"])
def test_a_budget_replaces_the_others(path):
    """A run has one budget; its short name is one too."""
    selection = with_settings(BASE, {path: 2}).selection

    assert (selection.keep_layers, selection.keep_ratio) == (2, None)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("selection.keep_ration", r"unknown setting of selection: 'keep_ration'; did you mean 'keep_ratio'\?"),
        ("selecton.keep_ratio", r"unknown setting of a run: 'selecton'; did you mean 'selection'\?"),
    ],
)
def test_a_wrong_path_has_a_suggestion(path, message):
    """As in a file, the nearest setting is named."""
    with pytest.raises(UnknownNameError, match=message):
        with_settings(BASE, {path: 0.5})


@pytest.mark.parametrize("path", ["seed.x", "seed"])
def test_a_wrong_value_is_named(path):
    """A setting that is a number holds no table."""
    with pytest.raises(ConfigurationError, match=r"^seed takes a whole number"):
        with_settings(BASE, {path: "zero"})


def test_objects_stay_the_objects_that_they_are():
    """What Python gave in a name's place is in the changed run too."""

    def mine(student, teacher, labels):
        return student.sum()

    run = with_settings(Run(data="a", teacher="b", losses={"mine": mine}), {"seed": 3})

    assert run.distillation.losses["mine"].value is mine


def test_tables_of_settings_are_taken_apart_and_values_are_not():
    """A strategy is one setting of the selection; a config is a value, and so are the losses."""
    table = {
        "selection": {"strategy": "last", "ratio": 0.5},
        "teacher": {"config": {"a": 1}},
        "distillation.losses": {},
    }

    assert dict(by_path(BASE, table)) == {
        "selection.strategy": "last",
        "selection.keep_ratio": 0.5,
        "teacher.config": {"a": 1},
        "distillation.losses": {},
    }
