"""The README's examples work as shown."""

import re
import tomllib
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language, holding):
    """Return the README's one code block of a language that holds a text."""
    (matching,) = [code for code in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if holding in code]
    return matching


def test_the_parts_work_on_any_decoder():
    """Measure, select, build: from a model to a student in a few lines."""
    names = {}
    exec(block("python", "measure_importance("), names)  # noqa: S102 -- our own README

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


def test_the_run_in_python_is_one():
    """Every setting of the fifteen lines exists; ``make quickstart`` does the same job from TOML."""
    from shortstack import Registry
    from shortstack.pipeline.preflight import check

    names = {}
    exec(block("python", "result = run.execute").partition("result =")[0], names)  # noqa: S102 -- our own README

    assert check(names["run"], Registry.from_environment()).type in {"cpu", "cuda"}
