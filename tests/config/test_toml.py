"""Settings whose text is TOML to Python and no settings to anybody: one line, wherever they stand."""

import numpy as np
import pytest

from shortstack import Run
from shortstack.cli import main
from shortstack.config.overrides import overridden
from shortstack.config.toml import toml_tables
from shortstack.errors import ConfigurationError

HUGE = "9" * 5_000
TABLE = 'source = "x"'


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (HUGE, "limit"),
        (f"0x{'F' * 5_000}", "a whole number has more than 64 bits"),
        (str(2**63), "a whole number has more than 64 bits"),
        (str(-(2**63) - 1), "a whole number has more than 64 bits"),
        ("[" * 3_000, "nested more than 64 deep"),
        ("[" * 65 + "]" * 65, "nested more than 64 deep"),
        ("{a = " * 70 + "1" + "}" * 70, "nested more than 64 deep"),
    ],
)
def test_what_toml_cannot_hold(tmp_path, value, words):
    """In a file it is an error; after ``--set`` it is a text, as everything is that is no TOML."""
    path = tmp_path / "run.toml"
    path.write_text(f"seed = {value}\n[data]\n{TABLE}\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match=f"is not a TOML file: .*{words}"):
        Run.from_toml(path)
    assert overridden({}, [f"seed={value}"]) == {"seed": value}


def test_what_it_can():
    """The largest numbers, and tables in tables."""
    assert toml_tables(f"a = {2**63 - 1}\nb = -{2**63}\n[c.d.e]\nf = [[1]]") == {
        "a": 2**63 - 1,
        "b": -(2**63),
        "c": {"d": {"e": {"f": [[1]]}}},
    }


def test_a_name_of_many_levels():
    """No setting has so many dots."""
    with pytest.raises(ConfigurationError, match=r"--set takes setting=value, or table\.setting=value"):
        overridden({}, [f"{'a.' * 3_000}b=1"])


def test_numbers_of_numpy():
    """Are Python's in the settings; a broken one is still no count."""
    fit = {"steps": np.int64(3), "warmup_steps": 0, "learning_rate": np.float32(0.5)}
    run = Run(data="x", teacher={"config": {"model_type": "llama"}, "fit": fit}, seed=np.int64(4))

    assert (run.seed, run.teacher.fit.steps, run.teacher.fit.learning_rate) == (4, 3, 0.5)
    assert {type(run.seed), type(run.teacher.fit.steps)} == {int}
    assert type(run.teacher.fit.learning_rate) is float
    with pytest.raises(ConfigurationError, match=r"seed takes a whole number, got 1\.5"):
        Run(data="x", teacher="t", seed=np.float64(1.5))


def test_a_number_that_no_float_holds():
    """From Python or JSON."""
    with pytest.raises(ConfigurationError, match=r"data\.min_rating takes a number, got a whole number of 1329 bits"):
        Run(data={"source": "x", "min_rating": 10**400}, teacher="t")


def test_a_very_long_value(capsys, tmp_path, monkeypatch):
    """The message has both its ends, and at most some 2,000 characters."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text(f'[data]\n{TABLE}\n[teacher]\npath = "t"\n', encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["plan", "run.toml", "--set", f"seed={HUGE}"])
    line = capsys.readouterr().err

    assert line.startswith("error: seed takes a whole number, got '999")
    assert line.endswith("999'\n")
    assert 1_000 < len(line) < 2_020


@pytest.mark.parametrize(
    "tables", [{"data": {"source": ""}}, {"data": " "}, {"teacher": ""}, {"teacher": {"path": "\t"}}], ids=str
)
def test_an_empty_name_is_no_folder(tables):
    """Not the current one, which is what Python takes an empty path for."""
    with pytest.raises(
        ConfigurationError, match=r"takes the name of a file or folder, got '.*'; write '.' for the current folder"
    ):
        Run(**{"data": {"source": "x"}, "teacher": {"config": {"model_type": "llama"}}, **tables})
