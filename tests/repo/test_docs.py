"""The examples of the README, and those of the guides that were in it, work as shown."""

import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FROM_PYTHON = (ROOT / "docs" / "from-python.md").read_text(encoding="utf-8")


def block(language, holding, text=README):
    """Return a document's one code block of a language that holds a text."""
    (matching,) = [code for code in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if holding in code]
    return matching


def test_the_parts_work_on_any_decoder():
    """Measure, select, build: from a model to a student in a few lines."""
    names = {}
    exec(block("python", "measure_importance(", FROM_PYTHON), names)  # noqa: S102 -- our own page

    assert names["student"].config.num_hidden_layers == 2
    assert set(names["scores"]) == {"fisher", "block-influence"}


def test_the_plugin_measures_a_model():
    """The scorer of the README scores every layer, and has at most ten lines."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from shortstack import Registry, measure_importance
    from shortstack.registry import Origin

    module = ModuleType("depth_scorer")
    exec(block("python", "def growth"), vars(module))  # noqa: S102 -- our own README
    registry = Registry()
    registry.load(Origin("acme", "growth", "1.0"), lambda: module.growth)
    config = LlamaConfig(
        vocab_size=20, hidden_size=8, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2, pad_token_id=0
    )
    tokens = torch.randint(1, 20, (4, 6))
    batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": tokens}
    halves = [{name: tensor[part] for name, tensor in batch.items()} for part in (slice(0, 1), slice(1, 4))]
    model = LlamaForCausalLM(config).eval()
    whole = measure_importance(model, [batch], ["growth"], registry=registry)["growth"]
    parts = measure_importance(model, halves, ["growth"], registry=registry)["growth"]

    assert registry.failures == ()
    assert len(block("python", "def growth").split("\n\n\n")[1].splitlines()) <= 10
    assert whole.examples == 4
    assert whole.scores.shape == (3,)
    torch.testing.assert_close(parts.scores, whole.scores, rtol=1e-5, atol=1e-5)


def test_the_plugin_keeps_the_laws():
    """The README shows the kit's suite for it, so it had better pass."""
    from shortstack import Registry
    from shortstack.registry import Origin
    from shortstack.testing import check

    module = ModuleType("depth_scorer")
    exec(block("python", "def growth"), vars(module))  # noqa: S102 -- our own README
    registry = Registry.from_environment()
    registry.load(Origin("acme", "growth", "1.0"), lambda: module.growth)
    outcomes = check("growth", registry=registry, examples=3, shrink=False)

    assert [outcome.failure for outcome in outcomes if outcome.status == "failed"] == []


def test_the_entry_point_is_toml():
    """The group is the one that the registry reads."""
    points = tomllib.loads(block("toml", "entry-points"))["project"]["entry-points"]

    assert points == {"shortstack": {"growth": "depth_scorer:growth"}}


def test_the_files_it_names_are_there():
    """Every relative link and path of the README and CONTRIBUTING leads somewhere."""
    text = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"\]\(([\w./-]+)\)", text)) | set(
        re.findall(r"`((?:docs|examples|framework|plugins)/[\w./-]*)`", text)
    )

    assert {path for path in paths if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("text", [README, FROM_PYTHON], ids=["README", "from-python"])
def test_the_run_in_python_is_one(text):
    """Every setting exists; ``make quickstart`` does the job of the longer one from TOML."""
    import torch

    from shortstack import Registry
    from shortstack.pipeline.preflight import check

    names = {}
    exec(block("python", "result = run.execute", text).partition("result =")[0], names)  # noqa: S102 -- our own documents

    device = check(names["run"], Registry.from_environment())  # raises what is wrong

    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.full
def test_the_readmes_run_recommends(tmp_path, monkeypatch, capsys):
    """The ten lines, on some of the users and with few steps: they print a verdict and films."""
    from shortstack.config.changes import with_settings

    code = block("python", "result = run.execute")
    assert len([line for line in code.splitlines() if line]) <= 10
    making, rest = re.fullmatch(r"(.*?\n)(result = .*)", code, re.DOTALL).groups()
    names = {}
    exec(making, names)  # noqa: S102 -- our own README
    fit = {"steps": 4, "warmup_steps": 1, "evaluate_every": 4, "batch_size": 16}
    small = {
        "data.sample_users": 80,
        "importance.examples": 16,
        "evaluation.resamples": 100,
        "evaluation.scratch": False,
    }
    names["run"] = with_settings(names["run"], {**small, "teacher.fit": fit, "distillation.fit": fit})
    monkeypatch.chdir(tmp_path)
    exec(rest, names)  # noqa: S102 -- our own README

    printed = capsys.readouterr().out
    assert printed.startswith("The student")
    assert len(names["result"].student().recommend(["Toy Story (1995)"], k=10)) == 10
    assert (tmp_path / "runs" / "python" / "report.html").is_file()


def test_the_readme_is_short():
    """One screen and a half: what moved to the guides is not to come back."""
    assert len(README.split()) < 1_000
