"""A study is a value, the same from Python and from a file; what is wrong with it is said when it is built."""

import copy

import numpy as np
import polars as pl
import pytest
from pipeline.conftest import ring_tables
from pipeline.test_cli import to_toml

from shortstack import Budget, ConfigurationError, Run, SourceNotFoundError, Study, UnknownNameError
from shortstack.distillation.balancing import Ema

FILE = """
base = "run.toml"
reuse = ["earlier"]
exclude = [{ variant = "tail", seed = 1 }]

[axes]
"selection.keep_ratio" = [0.5, 0.25]
seed = [0, 1]

[variant.hybrid]

[variant.tail]
selection.strategy = "last"
data.min_rating = "none"

[[runs]]
selection.layers = 3
seed = 7
"""
BASE = Run.from_mapping(ring_tables("ring.csv", data={"source": "ring.csv", "min_rating": 2.0}))


@pytest.fixture
def from_toml(tmp_path):
    """Reads a study from a text, beside ``run.toml``."""
    (tmp_path / "run.toml").write_text(to_toml(ring_tables("ring.csv", data={"source": "ring.csv", "min_rating": 2.0})))

    def read(text):
        path = tmp_path / "study.toml"
        path.write_text(text, encoding="utf-8")
        return Study.from_toml(path)

    return read


def test_another_base(from_toml, tmp_path):
    """In place of the file's, from a path or as an object; a file need not name one then."""
    from_toml(FILE)
    other = ring_tables("other.csv")
    (tmp_path / "other.toml").write_text(to_toml(other), encoding="utf-8")
    studies = [
        Study.from_toml(tmp_path / "study.toml", base=base)
        for base in (tmp_path / "other.toml", Run.from_mapping(other))
    ]

    assert studies[0] == studies[1]
    assert list(studies[0].members) == list(from_toml(FILE).members)
    assert {member.run.data.source for member in studies[0].members.values()} == {"other.csv"}
    (tmp_path / "bare.toml").write_text("axes = { seed = [0, 1] }\n", encoding="utf-8")
    assert len(Study.from_toml(tmp_path / "bare.toml", base=tmp_path / "other.toml").members) == 2


def test_a_file_is_the_same_value(from_toml, tmp_path):
    """Tables and dotted paths, ``none``, a budget's short name; ``base`` and ``reuse`` beside the file."""
    same = Study(
        base=tmp_path / "run.toml",
        axes={"selection.ratio": [0.5, 0.25], "seed": [0, 1]},
        variants={"hybrid": {}, "tail": {"selection": {"strategy": "last"}, "data": {"min_rating": None}}},
        runs=[{"selection": {"layers": 3}, "seed": 7}],
        exclude=[{"variant": "tail", "seed": 1}],
        reuse=[tmp_path / "earlier"],
    )

    assert from_toml(FILE) == same
    assert list(same.members) == [
        "hybrid,keep_ratio=0.5,seed=0",
        "hybrid,keep_ratio=0.5,seed=1",
        "hybrid,keep_ratio=0.25,seed=0",
        "hybrid,keep_ratio=0.25,seed=1",
        "tail,keep_ratio=0.5,seed=0",
        "tail,keep_ratio=0.25,seed=0",
        "keep_layers=3,seed=7",
    ]
    assert same.size == 9
    assert {name: member.run for name, member in from_toml(FILE).members.items()} == {
        name: member.run for name, member in same.members.items()
    }
    tail = same.members["tail,keep_ratio=0.25,seed=0"].run
    assert (tail.selection.strategy, tail.selection.keep_ratio, tail.data.min_rating) == ("last", 0.25, None)


def test_axes_in_tables(from_toml):
    """Paths need no quotes: TOML's own tables say the same."""
    quoted = from_toml('base = "run.toml"\n[axes]\n"selection.keep_ratio" = [0.5]')

    assert from_toml('base = "run.toml"\n[axes]\nselection.keep_ratio = [0.5]') == quoted


def test_axes_that_vary_together(from_toml):
    """Each zip is one axis more; its settings are columns of the table, and can be excluded."""
    fits = {"teacher.fit.steps": [4, 8, 16], "teacher.fit.learning_rate": [0.1, 0.2, 0.3]}
    study = Study(base=BASE, axes={"seed": [0, 1]}, zipped=[fits], exclude=[{"seed": 1, "teacher.fit.steps": 8}])
    zip_table = "[[zip]]\nteacher.fit.steps = [4, 8, 16]\nteacher.fit.learning_rate = [0.1, 0.2, 0.3]"

    assert list(study.members)[:2] == ["seed=0,steps=4,learning_rate=0.1", "seed=0,steps=8,learning_rate=0.2"]
    assert (study.size, len(study.members)) == (6, 5)
    assert study.varied == ("seed", "teacher.fit.steps", "teacher.fit.learning_rate")
    fit = study.members["seed=1,steps=16,learning_rate=0.3"].run.teacher.fit
    assert (fit.steps, fit.learning_rate) == (16, 0.3)
    assert from_toml(f'base = "run.toml"\n{zip_table}').members.keys() == Study(base=BASE, zipped=[fits]).members.keys()


def test_none_is_a_text_where_a_setting_takes_no_other(from_toml, tmp_path):
    """As after ``--set``: an event, a column or a file may be called none; a title's column that is none is not there."""
    (tmp_path / "table.toml").write_text(to_toml(ring_tables("ring.csv")))
    text = """
    base = "table.toml"
    runs = [{ data.settings = { user = "none", title = "none", where = { event = "none" } } }]
    axes.data.settings.where.event = ["none", "click"]
    variant.none.data = { source = "none", min_rating = "none" }
    """
    runs = [member.run.data for member in from_toml(text).members.values()]

    assert [data.settings["where"]["event"] for data in runs] == ["none", "click", "none"]
    assert [(data.source, data.min_rating) for data in runs[:2]] == [("none", None)] * 2
    assert (runs[2].settings["user"], runs[2].settings["title"]) == ("none", None)


def test_data_sets_and_teachers_are_axes(from_toml):
    """A value that is a table replaces the base's whole table, and the run's name tells it apart."""
    text = """
    base = "run.toml"
    exclude = [{ data = { source = "other.csv", adapter = "table", settings = { user = "u" } }, teacher = { path = "large" } }]
    [axes]
    data = [{ source = "ring.csv" }, { source = "other.csv", adapter = "table", settings = { user = "u" } }]
    teacher = [{ path = "small" }, { path = "large" }]
    """
    members = from_toml(text).members
    runs = [member.run for member in members.values()]

    assert [(run.data.source, run.data.adapter, run.data.min_rating, run.teacher.path) for run in runs] == [
        ("ring.csv", "movielens", None, "small"),
        ("ring.csv", "movielens", None, "large"),
        ("other.csv", "table", None, "small"),
    ]
    assert all(run.teacher.config is None for run in runs)
    assert len(members) == 3
    (name, *_) = members
    assert name.startswith("data=source-ring.csv~")


def test_a_base_alone_is_one_run():
    """A study without axes has one run; with a list alone, those runs."""
    assert list(Study(base=BASE).members) == ["base"]
    assert list(Study(base=BASE, runs=[{"seed": 3}]).members) == ["seed=3"]


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"axes": {"selection.keep_ration": [0.5]}}, UnknownNameError, "'keep_ration'; did you mean 'keep_ratio'"),
        ({"axes": {"seed": 3}}, ConfigurationError, "the axis 'seed' takes a list with one value or more, got 3"),
        ({"axes": {"seed": []}}, ConfigurationError, r"the axis 'seed' takes a list with one value or more, got \[\]"),
        ({"axes": ["seed"]}, ConfigurationError, "axes are a table of settings, each with a list of values"),
        ({"axes": {"selection.keep_ratio": [0.5, 2.0]}}, ConfigurationError, "keep_ratio.*got 2.0"),
        ({"base": 3}, ConfigurationError, "base is a Run, or the path of a run's TOML file, got 3"),
        ({"variants": {"a/b": {}}}, ConfigurationError, "a variant's name is letters, digits, .* got 'a/b'"),
        ({"variants": {"a": 3}}, ConfigurationError, "the variant 'a' is a table of settings, got 3"),
        ({"variants": ["a"]}, ConfigurationError, "variants are a table of tables of settings"),
        ({"runs": {"seed": 1}}, ConfigurationError, "runs is a list of tables of settings"),
        ({"runs": [3]}, ConfigurationError, "each of a study's runs is a table of settings, got 3"),
        ({"exclude": [3]}, ConfigurationError, "each of a study's exclude is a table of settings, got 3"),
        (
            {"zipped": {"seed": [0]}},
            ConfigurationError,
            "zip is a list of tables of axes that vary together, got {'seed'",
        ),
        ({"zipped": [{}]}, ConfigurationError, "zip is a list of tables of axes that vary together"),
        (
            {"zipped": [{"seed": [0, 1], "selection.keep_ratio": [0.5]}]},
            ConfigurationError,
            r"the zipped axes 'seed' and 'selection\.keep_ratio' have 2 and 1 values; those that vary together need as many",
        ),
        (
            {"axes": {"seed": [0]}, "zipped": [{"seed": [1]}]},
            ConfigurationError,
            "'seed' is an axis twice in the study",
        ),
        (
            {"axes": {"data": [{"source": "a"}], "data.core": [2]}},
            ConfigurationError,
            r"sets 'data' and 'data\.core', which is a part of it; set the one in the other",
        ),
        ({"variants": {3: {}}}, ConfigurationError, "a variant's name is letters, digits, .*, got 3"),
        ({"reuse": "folder"}, ConfigurationError, "reuse is a list of folders of runs or studies, got 'folder'"),
    ],
)
def test_what_is_wrong_is_said(fields, error, message):
    """The message names what is wrong."""
    with pytest.raises(error, match=message):
        Study(**{"base": BASE, **fields})


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("axis = 3", UnknownNameError, r"unknown setting of a study: 'axis'; did you mean 'axes'\?"),
        ("[axes]\nseed = [0]", ConfigurationError, "needs base, the path of a run's TOML file"),
        ("base = ", ConfigurationError, "study.toml is not a TOML file"),
        ('base = "other.toml"', SourceNotFoundError, "other.toml is not there; name a run's TOML file"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(from_toml, text, error, message):
    """As in a run's file."""
    with pytest.raises(error, match=message):
        from_toml(text)


def test_there_is_no_file(tmp_path):
    """A folder is no file either."""
    with pytest.raises(SourceNotFoundError, match="is not there, or no file; name a study's TOML file"):
        Study.from_toml(tmp_path)


def test_a_large_study_is_refused_with_its_size(tmp_path):
    """Nobody waits for a grid to be built that they did not mean; a thousand runs are allowed."""
    large = Study(base=BASE, axes={"seed": range(2**32), "selection.keep_ratio": [0.5, 0.25]})

    with pytest.raises(ConfigurationError, match=r"8,589,934,592 runs, more than 1,000; say --yes \(large=True"):
        large.execute(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    Study(base=BASE, axes={"seed": range(1000)}).require_size(large=False)
    Study(base=BASE, axes={"seed": range(1001)}).require_size(large=True)


def test_none_is_read_by_each_runs_own_adapter(from_toml, tmp_path):
    """Adapter ``table`` may have no column of ratings; that of ``recbole`` has a name, which may be the word."""
    (tmp_path / "table.toml").write_text(to_toml(ring_tables("ring.csv")))
    text = """
    base = "table.toml"
    exclude = [{ variant = "none", "data.settings.rating" = "none" }]
    runs = [{ data = { adapter = "recbole", settings = { rating = "none", title = "none" } } }]
    axes.data.settings.rating = ["none", "stars"]
    variant.table = {}
    variant.none = {}
    variant.recbole = { data.adapter = "recbole", "data.settings.timestamp" = "none" }
    """
    members = from_toml(text).members

    assert {name: member.run.data.settings["rating"] for name, member in members.items()} == {
        "table,rating=None": None,
        "table,rating=stars": "stars",
        "none,rating=stars": "stars",
        "recbole,rating=none": "none",
        "recbole,rating=stars": "stars",
        [*members][-1]: "none",
    }
    *_, listed = members.values()
    assert listed.run.data.settings == {"rating": "none", "title": None}
    assert members["recbole,rating=none"].run.data.settings["timestamp"] == "none"
    assert all(
        type(value) in {str, type(None)} for member in members.values() for value in member.run.data.settings.values()
    )


def test_what_a_run_takes_in_short_is_an_axis_too():
    """A whole table's value in short, as ``Run`` has it: a path, a table of pandas or polars; no budget, which is a part."""
    table = pl.DataFrame({"user_id": ["a"], "item_id": ["b"]})
    axes = {"data": ["other.csv", table], "teacher": ["large"]}
    first, second = (member.run for member in Study(base=BASE, axes=axes).members.values())

    assert (first.data.source, first.teacher.path) == ("other.csv", "large")
    assert second.data.source.value is table
    with pytest.raises(ConfigurationError, match=r"selection takes a table of settings, got Budget\(keep_layers=2"):
        Study(base=BASE, axes={"selection": [Budget(keep_layers=2)]})


def test_an_exclusion_of_an_object():
    """Objects are compared by their content, also those whose ``==`` is no truth value."""
    tables = [pl.DataFrame({"user_id": [user], "item_id": ["b"]}) for user in "ab"]
    for objects in (tables, [table.to_pandas() for table in tables], [Ema(decay=0.5), Ema(decay=0.9)]):
        axis = "distillation.balancing" if isinstance(objects[0], Ema) else "data.source"
        axes = {axis: objects, "seed": [0, 1]}
        study = Study(base=BASE, axes=axes, exclude=[{axis: copy.copy(objects[1]), "seed": 1}])
        names = list(study.members)

        assert [name.rpartition(",")[2] for name in names] == ["seed=0", "seed=1", "seed=0"]


def test_numbers_of_numpy_are_numbers():
    """They name a run as Python's do."""
    axes = {"seed": [np.int64(1)], "selection.keep_ratio": [np.float32(0.5)]}

    assert list(Study(base=BASE, axes=axes).members) == ["seed=1,keep_ratio=0.5"]
