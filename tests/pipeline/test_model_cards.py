"""Model cards: written beside each model of a run, in the hub's format, and true."""

import re
import shutil

import attrs
import pytest
import yaml
from huggingface_hub import ModelCard
from pipeline.prepared import context, evaluation

from shortstack.data.catalogue import Catalogue, Item, Option
from shortstack.digests import damage, seal
from shortstack.files import write_json
from shortstack.pipeline.model_cards import is_written_card, write_model_cards
from shortstack.pipeline.report import write_result
from shortstack.pipeline.runner import stages_of
from shortstack.pipeline.scratch import _looks_at
from shortstack.pipeline.teacher import _files
from shortstack.report.markdown import escaped, table
from shortstack.report.model_card import CardFacts, model_card
from shortstack.run_layout import CARD, CARD_MARK, RECORD

HOSTILE = "a|b <script>`x`</script>\n---\n# [t](u) ``` \x1b[31m"
FACTS = CardFacts(
    model="student",
    architecture="LlamaForCausalLM",
    layers=2,
    catalogue=Catalogue(items=[Item(id="1", title="Heat (1995)", token=1)]),
    seen="exclude",
    terms="research only",
    base_model="",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, prepared):
    """A finished run, and its result; read only."""
    run = context(shutil.copytree(prepared, tmp_path_factory.mktemp("cards") / "run"))
    stages = stages_of(run.run)
    for stage in stages:
        write_json(run.root / stage.folder / RECORD, {"seconds": 1.0})
    return run, write_result(run, stages, {})


@pytest.mark.parametrize("model", ["student", "teacher", "pruned", "scratch"])
def test_the_hub_reads_it(finished, model):
    """The table in YAML is what huggingface_hub makes of it, with the model's figures."""
    run, _ = finished
    card = ModelCard.load(run.root / model / CARD)
    measured = {result.metric_type: result.metric_value for result in card.data.eval_results}

    assert {name: evaluation()["metrics"][model][name] for name in ("hr@10", "ndcg@10", "mrr@10")} == measured
    assert ("transformers", "other") == (card.data.library_name, card.data.license)
    assert "shortstack" in card.data.tags
    assert {"table"} == {result.dataset_type for result in card.data.eval_results}


def test_what_it_says(finished):
    """Layers, sizes, losses, figures with intervals, terms, limits; no folder of the data."""
    run, _ = finished
    text = (run.root / "student" / CARD).read_text(encoding="utf-8")

    for part in (
        "# Student for ratings.csv: 2 of 4 layers",
        "The model is a stock `LlamaForCausalLM`",
        "It reads the last 4 items of a history. Its catalogue, `items.jsonl`, holds 9 items.",
        "46 interactions",
        "Layers that stay: 1, 3 (from 0), by strategy top-k and scorer fisher: a reason. Budget: keep 2 of 4 layers.",
        "with the losses labels (weight 1.0), soft-targets (weight 1.0), hidden-states (weight 1.0)",
        "| student | 0.4000 [0.2000, 0.8000] |",
        "On 40 test users, with intervals of 95 %, bootstrapped over users",
        "The student keeps 80.0 % [70.0 %, 90.0 %] of the teacher's NDCG@10.",
        "The terms of the data are not known to shortstack.",
    ):
        assert part in text, part
    assert "Distillation:" not in (run.root / "teacher" / CARD).read_text(encoding="utf-8")


@pytest.mark.parametrize("seen", ["exclude", "include"])
def test_its_code_works(tmp_path, finished, monkeypatch, capsys, seen):
    """Both blocks, in the model's folder; both give the same best item, also where it is that of the history."""
    run, result = finished
    copied = attrs.evolve(run, root=shutil.copytree(run.root, tmp_path / "run"))
    folder = copied.root / "pruned"  # whose best item after the first one is that item again
    write_json(folder / "recommender.json", {"schema": 1, "window": 4, "seen": seen})
    write_model_cards(copied, result)
    monkeypatch.chdir(folder)
    ours, stock = re.findall(r"```python\n(.*?)```", (folder / CARD).read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(ours.replace("recommender.recommend(", "answer = recommender.recommend("), names)  # noqa: S102 -- our own card
    exec(stock, {})  # noqa: S102 -- our own card

    assert f"{names['answer'][0].title}\n" == capsys.readouterr().out
    assert ("Item 0" == names["answer"][0].title) == (seen == "include")


def test_it_is_no_part_of_the_result(tmp_path, finished):
    """A sealed folder stays whole; the same card is not written again, and another one replaces it."""
    run, result = finished
    copied = attrs.evolve(run, root=shutil.copytree(run.root, tmp_path / "run"))
    student = copied.root / "student"
    (student / CARD).unlink()
    (student / RECORD).unlink()
    seal(student, RECORD, {"stage": "distillation"})
    write_model_cards(copied, result)
    written = (student / CARD).stat()

    assert "" == damage(student)
    write_model_cards(copied, result)
    assert (written.st_ino, written.st_mtime_ns) == (
        (student / CARD).stat().st_ino,
        (student / CARD).stat().st_mtime_ns,
    )
    write_model_cards(copied, attrs.evolve(result, shortstack="9.9"))
    assert "9.9" in (student / CARD).read_text(encoding="utf-8")


def test_a_card_of_ones_own(tmp_path, finished):
    """It is left alone."""
    run, result = finished
    copied = attrs.evolve(run, root=shutil.copytree(run.root, tmp_path / "run"))
    path = copied.root / "student" / CARD
    path.write_text(path.read_text(encoding="utf-8").replace(CARD_MARK, "mine"), encoding="utf-8")
    before = path.read_bytes()
    write_model_cards(copied, attrs.evolve(result, shortstack="9.9"))

    assert before == path.read_bytes()


def test_no_stage_depends_on_it(finished):
    """Neither one of the same run nor one whose teacher is a run's model; a person's own file counts as before."""
    run, _ = finished
    student = run.root / "student"
    counted = [path.name for path in _files(str(student))]

    assert is_written_card(student / CARD)
    assert CARD not in counted
    assert "config.json" in counted
    assert not any(CARD in str(part) for part in _looks_at(run, ()))


def test_terms_of_known_data(finished):
    """They are the publisher's; a teacher's name on the hub is the base model."""
    _, result = finished
    text = model_card(result, attrs.evolve(FACTS, base_model="owner/model"))
    front = yaml.safe_load(text.split("---")[1])

    assert "Terms of the data: research only. The teacher was owner/model, whose licence counts too." in text
    assert "owner/model" == front["base_model"]


def test_hostile_names(finished):
    """Titles and names are text: no markup, no end of a block, no commands to a terminal."""
    _, result = finished
    config = {**result.config, "data": {**result.config["data"], "source": HOSTILE, "adapter": HOSTILE}}
    catalogue = Catalogue(items=[Item(id="1", title=HOSTILE, token=1)])
    evil = attrs.evolve(result, config=config, data={**result.data, "edition": HOSTILE}, plugins={HOSTILE: HOSTILE})
    text = model_card(evil, attrs.evolve(FACTS, terms=HOSTILE, catalogue=catalogue))
    body = text.split("---\n", 2)[2]

    assert "\x1b" not in text
    assert "<script>" not in re.sub(r"```python\n.*?```", "", body, flags=re.DOTALL)
    assert [4, 1] == [body.count("```"), len(re.findall(r"^# ", body, re.MULTILINE))]
    assert HOSTILE in yaml.safe_load(text.split("\n---\n")[0])["model-index"][0]["results"][0]["dataset"]["name"]


def test_a_model_that_rates(finished):
    """It is used by ``rate``."""
    _, result = finished
    catalogue = Catalogue(items=FACTS.catalogue.items, options=[Option(value=5.0, token=2)])
    text = model_card(result, attrs.evolve(FACTS, catalogue=catalogue))

    assert 'recommender.rate([("Heat (1995)", 5)], "Heat (1995)")' in text
    assert "AutoModelForCausalLM" not in text


def test_markdown():
    """Texts are escaped, and in one line."""
    assert "a\\_b \\*c\\*" == escaped("a_b\n *c*")
    assert "| a | b |\n| --- | --- |\n| 1 | 2 |" == table(["a", "b"], [["1", "2"]])
