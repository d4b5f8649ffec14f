"""The report alone: ``result.json`` gathers what the stages wrote, figure by figure."""

import pytest
from pipeline.prepared import SCORE, WORK, contents, context, evaluation

from shortstack.errors import DataError
from shortstack.files import read_json, write_json
from shortstack.pipeline.report import write_result
from shortstack.pipeline.runner import stages_of
from shortstack.report.model_card import MODELS
from shortstack.run_layout import CARD, EVALUATION, METRICS, RECORD, REPORT, RESULT

LAYER = 4 * 16 * 16 + 3 * 16 * 32 + 2 * 16
"""Parameters of a layer: four attention matrices, three of the MLP, two norms."""
NORM, EMBEDDINGS = 16, 10 * 16


@pytest.fixture
def finished(without):
    """A run of whose stages each took another time and memory."""
    run = context(without())
    stages = stages_of(run.run)
    for number, stage in enumerate(stages):
        record = {"seconds": 1.5 * number, "peak_memory_bytes": 1000 - number}
        write_json(run.root / stage.folder / RECORD, record)
    return run, stages


def test_it_gathers_what_the_stages_wrote(finished):
    """Figures are those of the stages' files; sizes are those of the shapes; nothing else in the folder changes."""
    run, stages = finished
    before = contents(run.root)
    result = write_result(run, stages, {})
    after, wrote = contents(run.root), evaluation()

    cards = {f"{model}/{CARD}" for model in MODELS}
    assert {name for name in after if name not in before} == {RESULT, REPORT, *cards}
    assert {name: after[name] for name in before} == before
    assert result.folder == run.root
    stored = read_json(run.root / RESULT)
    assert stored["metrics"] == wrote["metrics"]
    assert stored["intervals"] == wrote["intervals"]
    assert stored["comparisons"] == wrote["comparisons"]
    assert stored["importance"] == SCORE
    assert (stored["selection"]["kept"], stored["selection"]["of"]) == ([1, 3], 4)
    assert stored["parameters"] == {
        "teacher": 4 * LAYER + NORM + EMBEDDINGS,
        "student": 2 * LAYER + NORM + EMBEDDINGS,
        "teacher_body": 4 * LAYER + NORM,
        "student_body": 2 * LAYER + NORM,
    }
    assert stored["data"]["interactions"] == 46
    assert stored["config"]["seed"] == 5


def test_costs_are_those_of_the_records(finished):
    """Seconds by stage, the highest memory, and the work of each model that was trained."""
    run, stages = finished
    cost = write_result(run, stages, {}).cost

    assert cost["seconds"] == {stage.name: 1.5 * number for number, stage in enumerate(stages)}
    assert cost["peak_memory_bytes"] == 1000
    assert cost["work"] == dict.fromkeys(("teacher", "scratch", "student"), WORK)
    assert cost["precision"] == dict.fromkeys(("teacher", "scratch", "student"), "float32")


def test_the_verdict_says_what_the_figures_say(finished):
    """The ratio and the difference of the evaluation, and the layers of the selection."""
    run, stages = finished
    verdict = write_result(run, stages, {}).verdict

    assert verdict.startswith(
        "The student keeps 80.0% of the teacher's NDCG@10 (95% interval 70.0% to 90.0%) with 2 of 4 "
    )
    assert "Distillation paid: the student beats a model of its size trained from scratch" in verdict


def test_a_damaged_evaluation_is_named(finished):
    """No result is written of half the figures."""
    run, stages = finished
    (run.root / EVALUATION / METRICS).write_text("{", encoding="utf-8")

    with pytest.raises(DataError, match=r"evaluation\.json is damaged"):
        write_result(run, stages, {})
    assert not (run.root / RESULT).exists()
