"""A text after ``--set`` reaches the plugin that takes it as it was written, in every command, and stands so in ``run.json``."""

import csv
import json
import sys
import tomllib
from pathlib import Path

import attrs
import pytest
from faulty_plugins.distributions import install
from hypothesis import example, given
from hypothesis import strategies as st
from pipeline.test_cli import call, to_toml

from shortstack import Run
from shortstack.contracts import DatasetDescriptor, LossDescriptor, ScorerDescriptor, StudentDescriptor
from shortstack.errors import UnknownNameError
from shortstack.pipeline.importance import requested_scorers
from shortstack.registry import KINDS, Origin, Registry
from shortstack.registry.plugin_hooks import offering
from shortstack.run_layout import RUN

ODD = ("1_000", "007", "1e3", "true", "2009-05-04", "none", "nan", " 1 ", "[1]")
"""Texts that TOML takes for something else."""
TYPED = st.text(st.characters(exclude_characters="\0", codec="utf-8")).filter(
    lambda text: text.strip()[:1] not in {*"'\""}
)
"""Texts that may be typed, but those that begin as a TOML text does."""
MODULE = """
import attrs
from shortstack.selection.strategies import Last
from shortstack.tasks.next_item import NextItem

@attrs.frozen(kw_only=True)
class Task(NextItem):
    label: str = ""

@attrs.frozen(kw_only=True)
class Strategy:
    label: str = ""
    name = "mine"
    keeps = Last.keeps

    def choose(self, question, keep):
        return Last().choose(question, keep)
"""


@attrs.frozen(kw_only=True)
class Labelled:
    """Settings with a text and a number."""

    label: str = ""
    number: float = 0.0


@pytest.fixture(scope="module")
def registry():
    """The built-in plugins, and a component ``labelled`` of each kind."""
    plugins = Registry.from_environment()
    for descriptor in (DatasetDescriptor, LossDescriptor, ScorerDescriptor, StudentDescriptor):
        made = descriptor(name="labelled", summary="Made up.", config=Labelled, build=lambda settings: settings)
        plugins = plugins.beside(offering(made), Origin(f"mine-{descriptor.__name__}", "main", "1.0"))
    assert {component.kind for component in plugins.components if component.descriptor.name == "labelled"} == {*KINDS}
    return plugins


@pytest.fixture
def path(tmp_path, ring, tables):
    """A run's file whose adapter is ``table``."""
    file = tmp_path / "run.toml"
    file.write_text(to_toml(tables(ring)), encoding="utf-8")
    return file


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The name of a module with a task and a strategy whose settings have a text."""
    name = f"mine_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, ring, tables):
    """The same file, for many examples."""
    file = tmp_path_factory.mktemp("shared") / "run.toml"
    file.write_text(to_toml(tables(ring)), encoding="utf-8")
    return file


class TestARun:
    """The settings of a run, which are what ``run.json`` says, what keys are made of, and what plugins get."""

    @given(TYPED)
    @example("none")
    @example("1_000")
    def test_any_text_is_a_column(self, shared, registry, text):
        """What is typed is the name of the column, and nothing else is."""
        run = Run.from_toml(shared, [f"data.settings.user={text}"], registry=registry)

        assert text == run.data.settings["user"]
        assert text == json.loads(run.to_json())["data"]["settings"]["user"]
        assert text == registry.configure("dataset", run.data.adapter, run.data.settings).user
        assert run == Run.from_mapping(json.loads(run.to_json()))

    @pytest.mark.parametrize(
        ("setting", "written"),
        [
            ("data.settings.skip_bad_rows", "true"),
            ("data.settings.where.year", "2_000"),
            ("data.settings.where.year", "[1, 2.5]"),
            ("task.settings.window", "1_0"),
            ("importance.settings.block-influence.x", "1_0"),
            ("distillation.losses.soft-targets.temperature", "1e1"),
            ("distillation.losses.soft-targets.temperature", "{from = 4.0, to = 1}"),
            ("distillation.losses.soft-targets", "1_0"),
            ("teacher.config.hidden_size", "1_6"),
        ],
    )
    def test_all_else_is_toml(self, path, registry, setting, written):
        """Numbers, truth values, lists and tables of plugins are as in a file."""
        value = json.loads(Run.from_toml(path, [f"{setting}={written}"], registry=registry).to_json())
        for name in setting.split("."):
            value = value[name]

        assert value == tomllib.loads(f"value = {written}")["value"]

    @pytest.mark.parametrize("text", ODD)
    @pytest.mark.parametrize(
        ("table", "named"),
        [
            ("data.settings", "data.adapter=labelled"),
            ("data.settings", "data.adapter=mine-DatasetDescriptor/labelled"),
            ("student.settings", "student.architecture=labelled"),
            ("importance.settings.labelled", 'importance.scorers=["labelled", "hybrid"]'),
            ("distillation.losses.labelled", "distillation.losses={labelled = 1.0}"),
            ("distillation.losses.any", 'distillation.losses.any.loss="labelled"'),
            ("task.settings", "task.name={}:Task"),
            ("selection.settings", "selection.strategy={}:Strategy"),
        ],
    )
    def test_every_table_of_a_plugin(self, path, registry, mine, table, named, text):
        """Whatever kind of plugin reads it, a number of the same plugin stays one."""
        overrides = [named.format(mine) if "{}" in named else named, f"{table}.label={text}", f"{table}.window=1_0"]
        settings = json.loads(Run.from_toml(path, overrides, registry=registry).to_json())
        for name in table.split("."):
            settings = settings[name]

        assert (text, 10) == (settings["label"], settings["window"])

    def test_a_balancing(self, path):
        """The table of a built-in has its name, which is a text, and numbers."""
        run = Run.from_toml(path, ["distillation.balancing.decay=1e-1", "distillation.balancing.name=ema"])

        assert run.distillation.balancing == {"name": "ema", "decay": 0.1}

    def test_the_order_is_free(self, path, registry):
        """The plugin may be named after its setting; the file's own has a number of the same name."""
        overrides = ["data.settings={}", "data.settings.label=1_000", "data.adapter=labelled"]
        named_last = Run.from_toml(path, overrides, registry=registry)
        named_first = Run.from_toml(path, [overrides[2], *overrides[:2]], registry=registry)

        assert named_last == named_first
        assert named_last.data.settings == {"label": "1_000"}

    def test_two_spellings_are_two_values(self, path, registry):
        """What a stage depends on tells them apart, as their columns are."""
        overrides = ['importance.scorers=["labelled", "hybrid"]', "importance.settings.labelled.label="]
        runs = [
            Run.from_toml(path, [overrides[0], overrides[1] + text], registry=registry) for text in ("1_000", "1000")
        ]

        assert [requested_scorers(run.importance)["labelled"] for run in runs] == [
            {"label": "1_000"},
            {"label": "1000"},
        ]
        assert runs[0] != runs[1]

    def test_a_folder(self, path, tmp_path):
        """A finished run's settings are changed in the same way, and without a change it is read as it is."""
        stored = Run.from_toml(path)
        (tmp_path / RUN).write_text(stored.to_json(), encoding="utf-8")
        run = Run.of_folder(tmp_path, ["data.settings.user=1_000"])

        assert run.data.settings == {**stored.data.settings, "user": "1_000"}
        assert attrs.evolve(run, data=stored.data) == stored == Run.of_folder(tmp_path)


class TestLookingUp:
    """The plugins are asked where a setting of theirs is given, and their errors are those that every run has."""

    def test_only_where_it_is_needed(self, path, monkeypatch):
        """No plugin is loaded for settings of the run itself; for several of plugins they are loaded once."""
        loaded, load = [], Registry.from_environment
        monkeypatch.setattr(Registry, "from_environment", lambda: loaded.append(1) or load())

        Run.from_toml(path, ["seed=1", "data.source=1", "distillation.losses.labels=2", "data.settings={user = 1}"])
        assert loaded == []
        Run.from_toml(path, ["data.settings.user=1", "distillation.losses.labels.weight=2"])
        assert loaded == [1]

    @pytest.mark.parametrize(
        ("named", "setting"),
        [
            ("data.adapter=tabel", "data.settings.user=1"),
            ("data.adapter=nobody/table", "data.settings.user=1"),
            ("student.architecture=compakt", "student.settings.hidden_size=1"),
            ("distillation.losses={lables = 1}", "distillation.losses.lables.weight=2"),
            ("distillation.balancing=emma", "distillation.balancing.name=emma"),
            ("importance.scorers=[]", "importance.settings.fishr.depth=1"),
            ("task.name=next-itm", "task.settings.window=1"),
            ("task.name=no_such_module:Task", "task.settings.window=1"),
            ("selection.strategy=lst", "selection.settings.seed=1"),
        ],
    )
    def test_a_name_that_is_unknown(self, path, named, setting, capsys):
        """The message is that of a run without the setting."""
        plain = call("run", str(path), "--check", "--set", named, capsys=capsys)
        if "scorers" in named:
            plain = (2, "", "error: unknown scorer in importance.settings 'fishr'")
        set_too = call("run", str(path), "--check", "--set", setting, "--set", named, capsys=capsys)

        assert plain[0] == set_too[0] == 2
        assert set_too[2].startswith(plain[2].strip())
        assert set_too[2].count("\n") == 1

    def test_a_broken_plugin(self, tmp_path, path, monkeypatch, capsys):
        """The error names what broke it."""
        (tmp_path / "site").mkdir()
        install(tmp_path / "site", "broken", "raise RuntimeError('out of order')\n")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        named = ["run", str(path), "--check", "--set", "data.adapter=broken/any"]
        plain, set_too = call(*named, capsys=capsys), call(*named, "--set", "data.settings.user=1", capsys=capsys)

        assert "out of order" in set_too[2]
        assert plain == set_too

    def test_without_the_registry_that_knows_it(self, path, registry):
        """A plugin that is not installed is named where it is known, and never guessed at."""
        overrides = ["data.adapter=labelled", "data.settings.label=1_000"]
        with pytest.raises(UnknownNameError, match="unknown dataset adapter 'labelled'"):
            Run.from_toml(path, overrides)

        assert Run.from_toml(path, overrides, registry=registry).data.settings["label"] == "1_000"

    def test_a_setting_that_is_unknown(self, path):
        """It is refused by the plugin, by name."""
        run = Run.from_toml(path, ["data.settings.usr=1"])
        with pytest.raises(UnknownNameError, match=r"'usr'; did you mean 'user'\?"):
            Registry.from_environment().configure("dataset", run.data.adapter, run.data.settings)


@pytest.fixture
def odd(ring, tmp_path, monkeypatch):
    """A function that writes the ring with another name of the column of users into the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(column):
        head, *rows = csv.reader(ring.read_text(encoding="utf-8").splitlines())
        with (tmp_path / "odd.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([[column, *head[1:]], *rows])
        return "odd.csv"

    return write


@pytest.mark.parametrize("column", ODD)
class TestCommands:
    """Each command that takes the settings of a plugin."""

    def test_inspect(self, odd, column, capsys):
        """The column of that name is read."""
        command = [
            "data",
            "inspect",
            "table",
            odd(column),
            "--json",
            "--set",
            f"user={column}",
            "--set",
            "rating=rating",
        ]
        code, out, err = call(*command, capsys=capsys)

        assert (code, err) == (0, "")
        assert json.loads(out)["users"] == 60

    def test_init_and_run(self, odd, column, capsys):
        """The file that is written names it, and a run over it reads it; so does a run that is given it."""
        # a first line with a number is proposed as one without names
        user = ["--set", f"data.settings.user={column}", "--set", "data.settings.header=true"]
        written = call("init", "--data", odd(column), "--adapter", "table", *user, capsys=capsys)
        first = call("run", "run.toml", "--out", "first", "--prepare", "--quiet", capsys=capsys)
        second = call("run", "run.toml", "--out", "second", "--prepare", "--quiet", *user, capsys=capsys)
        described = tomllib.loads(Path("run.toml").read_text(encoding="utf-8"))

        assert [code for code, _, _ in (written, first, second)] == [0, 0, 0]
        assert column == described["data"]["settings"]["user"]
        for folder in ("first", "second"):
            stored = json.loads((Path(folder) / RUN).read_text(encoding="utf-8"))
            assert column == stored["data"]["settings"]["user"]


def test_init_by_the_adapter_that_is_set(odd, capsys):
    """The data are looked into by the adapter that the file will name."""
    sets = [part for one in ("settings.user=true", "adapter=table") for part in ("--set", f"data.{one}")]

    assert call("init", "--data", odd("true"), *sets, capsys=capsys)[0] == 0
    code, _, err = call("init", "--data", "odd.csv", "--set", "data.adapter=tabel", "--force", capsys=capsys)
    assert code == 2
    assert err.startswith("error: unknown dataset adapter 'tabel'; did you mean 'table'?")


@pytest.mark.parametrize("override", ["data=1", "data.settings=1"])
def test_init_with_a_value_for_a_table(odd, override, capsys):
    """It is refused in one line."""
    code, _, err = call("init", "--data", odd("user"), "--set", override, capsys=capsys)

    assert code == 2
    assert err.endswith(("takes a table, got 1\n", "takes a table of settings, got 1\n"))


def test_check(mine, capsys):
    """The kit builds a component with the text, and with numbers as TOML has them."""
    checked = call("check", "strategy", f"{mine}:Strategy", "--law", "settings", "--set", "label=1_000", capsys=capsys)
    refused = call("check", "loss", "soft-targets", "--set", "temperature=warm", capsys=capsys)

    assert checked[0] == 0, checked
    assert "temperature takes a number, got 'warm'" in refused[2]
