"""The studies of examples/studies: each a study of real settings, with its purpose and cost, tried on a small sample."""

import re
from pathlib import Path

import pytest
from documents import ROOT
from studies.conftest import short_tables
from transformers import LlamaConfig

from shortstack import Registry, Run, Study
from shortstack.contracts.datasets import Interaction, Sample

FOLDER = ROOT / "examples" / "studies"
FILES = sorted(path.name for path in FOLDER.glob("*.toml"))
MEMBERS = {
    "compression-methods.toml": 6,
    "categories.toml": 7,
    "choices.toml": 7,
    "distillation.toml": 84,
    "domains.toml": 15,
    "large-scale.toml": 9,
    "losses.toml": 30,
    "ratios.toml": 15,
    "repair.toml": 18,
    "scorers.toml": 30,
    "seeds.toml": 10,
    "teacher-trials.toml": 5,
    "temperature-and-weights.toml": 48,
}
"""File → how many runs its header speaks of."""
TEACHERS = dict.fromkeys(MEMBERS, 3) | {
    "categories.toml": 7,
    "choices.toml": 1,
    "domains.toml": 15,
    "large-scale.toml": 9,
    "seeds.toml": 10,
    "compression-methods.toml": 1,
    "teacher-trials.toml": 5,
}
COUNTS = {
    5: "Five",
    6: "Six",
    7: "Seven",
    9: "Nine",
    10: "Ten",
    15: "Fifteen",
    18: "Eighteen",
    30: "Thirty",
    48: "Forty-eight",
    84: "Eighty-four",
}
OF_DATA = {"categories.toml", "domains.toml", "large-scale.toml"}
"""Studies whose variants name data of their own."""


@pytest.fixture
def language_model(tmp_path, monkeypatch):
    """The config of a small model at the place, below the working directory, where examples have SmolLM2."""
    place = tmp_path / "runs" / "smollm2" / "model"
    LlamaConfig(vocab_size=9, hidden_size=8, num_hidden_layers=30, num_attention_heads=2).save_pretrained(place)
    monkeypatch.chdir(tmp_path)


def header(name):
    """Return a file's first lines of comments, as one text."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    return " ".join(re.match(r"(?:#.*\n)+", text)[0].replace("#", "").split())


@pytest.mark.usefixtures("language_model")
@pytest.mark.parametrize("name", FILES)
def test_the_header_says_how_much_it_is(name):
    """Purpose and cost; as many runs and teachers as it says; every run passes the check before any work."""
    study = Study.from_toml(FOLDER / name)
    stages = study.plan()

    assert len(study.members) == MEMBERS[name]
    assert sum(stage.stage == "teacher" for stage in stages) == TEACHERS[name]
    assert f"{COUNTS[MEMBERS[name]]} runs" in header(name)
    assert re.search(r"two cores|for a GPU", header(name))


def test_domains_are_those_of_the_single_runs():
    """Setting for setting."""
    members = Study.from_toml(FOLDER / "domains.toml").members

    for path in sorted((ROOT / "examples" / "domains").glob("*.toml")):
        assert members[f"{path.stem},seed=0"].run.to_mapping() == Run.from_toml(path).to_mapping()


def test_the_page_lists_them():
    """All, and no other."""
    text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z-]+)` \|", text[text.index("## Ready studies") :], re.MULTILINE)

    assert sorted(listed) == [name.removesuffix(".toml") for name in FILES]


def of_small_models(tables):
    """Return settings in which models are tiny and trainings two steps long, and little is filtered."""
    short = {"steps": 2, "evaluate_every": 2, "batch_size": 16, "warmup_steps": 0}
    shape = {**tables["teacher"]["config"], "num_hidden_layers": 4, "hidden_size": 16, "intermediate_size": 32}
    return {
        **tables,
        "data": {**tables["data"], "core": 0, "sample_users": None},
        "teacher": {**tables["teacher"], "config": shape, "fit": {**tables["teacher"]["fit"], **short}},
        "importance": {**tables["importance"], "examples": 4},
        "selection": {**tables["selection"], "keep_ratio": 0.5},
        "distillation": {**tables["distillation"], "fit": {**tables["distillation"]["fit"], **short}},
        "evaluation": {**tables["evaluation"], "resamples": 100, "scratch": False},
    }


def small(name):
    """Return an example's runs of its first seed, small, as variants of a study of their own."""
    members = Study.from_toml(FOLDER / name).members
    firsts = {member: run.run for member, run in members.items() if member.endswith("seed=0")}
    tables = {f"variant-{number}": of_small_models(run.to_mapping()) for number, run in enumerate(firsts.values())}
    base = Run.from_mapping(next(iter(tables.values())))
    return Study(base=base, variants=tables)


def write_sources(study):
    """Write a sample of 24 users and 8 items in each run's format to the place that the run names."""
    registry = Registry.from_environment()
    rows = [
        Interaction(
            user=str(user),
            item=str(1 + (user + turn) % 8),
            rating=float(1 + turn % 5),
            timestamp=86_400_000 * (14_000 + turn),
        )
        for user in range(1, 25)
        for turn in range(6)
    ]
    sample = Sample(rows=rows, titles={str(item): f"Title {item}" for item in range(1, 9)})
    for member in study.members.values():
        data = member.run.data
        folder = Path(data.source)
        folder.mkdir(parents=True, exist_ok=True)
        component = registry.find("dataset", data.adapter)
        chosen = {name: value for name, value in data.settings.items() if name != "categories"}
        component.descriptor.write(component.descriptor.config(**chosen), sample, folder)
        if data.adapter == "mind":
            show_another(folder / "behaviors.tsv")
        for category in data.settings.get("categories", ()):
            (folder / "Sample.jsonl").rename(folder / f"{category}.jsonl")
            (folder / "meta_Sample.jsonl").rename(folder / f"meta_{category}.jsonl")


def show_another(behaviors):
    """Let each impression also show an article that was not clicked: ranking a clicked one alone has no metric."""
    lines = behaviors.read_text(encoding="utf-8").splitlines()
    clicked = [int(re.search(r"(\d+)-1$", line)[1]) for line in lines]
    shown = [f"{line} {item % 8 + 1}-0\n" for line, item in zip(lines, clicked, strict=True)]
    behaviors.write_text("".join(shown), encoding="utf-8")


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in FILES if name in OF_DATA])
def test_a_small_one_reads_its_data(name, tmp_path, monkeypatch):
    """Each run's files are read in their own format and place, and all runs end."""
    monkeypatch.chdir(tmp_path)
    study = small(name)
    write_sources(study)
    result = study.execute(tmp_path / "out")

    assert result.failed == {}
    assert result.report().is_file()


@pytest.mark.full
@pytest.mark.usefixtures("language_model")
@pytest.mark.parametrize("name", [name for name in FILES if name not in OF_DATA])
def test_a_small_one_is_executed(name, little_ring, tmp_path):
    """The first of its axes' values, with the variants, over a base that takes seconds: all runs end."""
    described = Study.from_toml(FOLDER / name)
    base = short_tables(little_ring, selection={"scorer": "hybrid", "keep_ratio": 0.75})
    base["importance"] = {"scorers": ["fisher", "attention", "gradient", "hybrid", "block-influence"], "examples": 4}
    base["distillation"] = {**base["distillation"], "losses": {"labels": 1.0, "soft-targets": {"temperature": 2.0}}}
    wide = {**base["teacher"]["config"], "hidden_size": 32, "intermediate_size": 64}  # groups of 32 for int4
    base["teacher"] = {**base["teacher"], "config": wide}
    axes = {path: [0] if path == "seed" else values[:2] for path, values in described.axes.items()}
    study = Study(base=Run.from_mapping(base), axes=axes, variants=described.variants)
    result = study.execute(tmp_path / "out")

    assert result.failed == {}
    assert f"{len(result.outcomes)} of {len(result.outcomes)} runs finished" in result.report().read_text(
        encoding="utf-8"
    )
