"""``shortstack plan``: a table from a folder, a config or a run's file, and its errors."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from students.tiny_families import tiny_config

from shortstack.cli import main
from shortstack.config.amounts import written
from shortstack.config.budget import Budget
from shortstack.errors import ConfigurationError
from shortstack.planning.formatting import budget_named, formatted

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.toml"


@pytest.fixture
def folder(tmp_path):
    """A model's folder without weights."""
    tiny_config("llama").save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def told(capsys, *arguments):
    """Return what the command prints."""
    with pytest.raises(SystemExit, match="0"):
        main(["plan", *map(str, arguments)])
    return capsys.readouterr().out


def test_json(folder, capsys):
    """The teacher, and one row a budget."""
    rows = json.loads(told(capsys, folder / "config.json", "--budget", "layers=2", "--budget", "body=50%", "--json"))

    assert [row["budget"] for row in rows] == [
        "",
        "keep 2 of 6 layers",
        "keep 50% of the body parameters (without embeddings and output rows)",
    ]
    assert [len(row["kept"]) for row in rows] == [6, 2, 2]
    assert rows[1]["shares"]["cache_bytes"] == pytest.approx(1 / 3)


def test_without_a_budget_the_usual_ones(folder, capsys):
    """A half, a quarter, an eighth of the layers; at least one."""
    assert [len(row["kept"]) for row in json.loads(told(capsys, folder, "--json"))] == [6, 3, 1, 1]


def test_table_and_notes(folder, capsys, monkeypatch):
    """Amounts with suffixes, shares of the teacher's; what must be known to trust them."""
    monkeypatch.setenv("COLUMNS", "200")
    tiny_config("qwen2_moe").save_pretrained(folder.parent / "mixed")

    assert "3 of 6" in told(capsys, folder, "--budget", "ratio=50%", "--dtype", "bfloat16")
    assert "Its layers are not all alike: the figures are of evenly spaced ones." in told(
        capsys, folder.parent / "mixed"
    )
    quickstart = told(capsys, QUICKSTART)
    assert "keep 25% of 12 layers" in quickstart
    assert "1.44M" in quickstart  # the items of the demo's ratings, which are here, among them
    assert "say how many there are" not in quickstart
    assert "distillation" in quickstart
    elsewhere = told(capsys, QUICKSTART, "--set", "data.source=elsewhere")
    assert "1.11M" in elsewhere
    assert "say how many there are with --vocabulary" in elsewhere


def test_a_budget_that_cannot_be_met_beside_two_that_can(folder, capsys, monkeypatch):
    """The three of docs/size.md: a table of two, and a line for the third."""
    monkeypatch.setenv("COLUMNS", "200")
    budgets = ["--budget", "layers=8", "--budget", "params=80%", "--budget", "bytes=2G"]
    table = told(capsys, folder, *budgets)

    assert "keep 80% of the parameters" in table
    assert "keep at most 2,000,000,000 bytes on disk" in table
    assert "Not planned: keep_layers is 8, but the teacher has only 6 layers." in table
    rows = told(capsys, folder, *budgets, "--json")
    assert [row["budget"][:7] for row in json.loads(rows)] == ["", "keep 80", "keep at"]


def test_a_run_with_other_settings(capsys, monkeypatch):
    """``plan`` takes settings as ``run`` does."""
    monkeypatch.setenv("COLUMNS", "200")
    half = told(capsys, QUICKSTART, "--tflops", 1, "--set", "selection.keep_ratio=0.5")
    assert "keep 50% of 12 layers" in half
    with pytest.raises(SystemExit, match="2"):
        main(["plan", str(QUICKSTART), "--set", "selection.keep_layer=3"])
    assert "did you mean 'keep_layers'" in capsys.readouterr().err


def test_a_cache_that_is_not_known(tmp_path, capsys, monkeypatch):
    """An unknown cache size gives a note, and no column."""
    monkeypatch.setenv("COLUMNS", "200")
    tiny_config("dbrx").save_pretrained(tmp_path)

    assert "The growth of the cache is not in the config of this family." in told(capsys, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "layers"], "a budget is name=amount, for example params=25% or layers=8, got 'layers'"),
        (["--budget", "layrs=2"], "unknown budget 'layrs'; did you mean 'layers'?"),
        (["--budget", "params=lots"], "an amount is a number, one with K, M, G or T, or a share such as 25%"),
        (["--budget", "params=-1"], "parameters must be a whole count from 1, such as 35M, or a share"),
        (["--budget", "layers=7"], "keep_layers is 7, but the teacher has only 6 layers"),
        (["--budget", "params=0.1%"], "parameters is too small: the smallest student by 'uniform' has"),
        (["--budget", "latency=2"], "latency_ms cannot be planned from a config: latency is measured on a model"),
        (["--dtype", "int8"], "unknown type 'int8'"),
        (["--architecture", "layer-subsets"], "did you mean 'layer-subset'?"),
        (["--set", "width=2"], "unknown setting"),
        (["--set", "repair=1"], "layer-subset'.repair: '1'"),
    ],
)
def test_mistakes(folder, capsys, arguments, message):
    """The error is one line, with exit code 2."""
    with pytest.raises(SystemExit, match="2"):
        main(["plan", str(folder), *arguments])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no config.json; name a model's folder, a config.json, or a run's TOML file"),
        ("{", "config.json is no JSON"),
        ('{"model_type": "lama"}', "is no config of a model that transformers knows"),
        ('{"model_type": "t5"}', "is of an encoder-decoder (t5); use a decoder-only causal model"),
        ('{"model_type": "dbrx", "attn_config": 3}', "is no config of a model that transformers knows"),
    ],
)
def test_sources_that_cannot_be_planned(tmp_path, capsys, content, message):
    """The error names the source and what is wrong."""
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(SystemExit, match="2"):
        main(["plan", str(tmp_path)])
    assert message in capsys.readouterr().err


def test_a_cache_budget_for_a_family_that_does_not_tell(tmp_path, capsys):
    """A cache budget for a family with unknown cache sizes is refused."""
    tiny_config("dbrx").save_pretrained(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["plan", str(tmp_path), "--budget", "cache=50%"])
    assert "cache_bytes cannot be planned from a config: not for this family" in capsys.readouterr().err


@given(st.integers(1, 10**15))
def test_what_is_spoken_is_near_what_it_is(amount):
    """Formatted amounts have three digits, so they are within 1 % of the exact ones."""
    assert written(formatted(amount)) == pytest.approx(amount, rel=0.01)


@given(st.integers(1, 10**15), st.sampled_from(["{}", "{:_}", "{:,}"]))
def test_whole_amounts_are_exact(amount, form):
    """Whole amounts are exact, with any thousands separator."""
    assert written(form.format(amount)) == amount


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("ratio=0.25", Budget(keep_ratio=0.25)),
        ("keep_layers=8", Budget(keep_layers=8)),
        ("bytes=1.5G", Budget(bytes=1_500_000_000)),
        ("cache = 50%", Budget(cache_bytes="50%")),
        ("latency_ms=2.5", Budget(latency_ms=2.5)),
    ],
)
def test_budgets_by_name(text, budget):
    """Short names and their own."""
    assert budget == budget_named(text)


def test_an_amount_that_is_too_large():
    """An amount beyond what Python can parse is an error, not a traceback."""
    with pytest.raises(ConfigurationError, match="an amount is a number"):
        written("1e999M")
