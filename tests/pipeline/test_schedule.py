"""A run in several steps: each student is scored, pruned and distilled in its turn, and is the next one's teacher."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.recording import Recording
from safetensors.torch import load_file

from shortstack import Run
from shortstack.contracts import Selection
from shortstack.errors import ConfigurationError
from shortstack.planning.schedule import composed, rounds_of, within
from shortstack.report.page import render
from shortstack.report.terminal import terminal_table


def scheduled(tables, ring, **selection):
    """Return the tables of a run over the ring, from four layers to two to one."""
    return tables(ring, selection={"schedule": [2], "keep_ratio": 0.25, "strategy": "top-k", **selection})


@pytest.fixture(scope="module")
def finished(ring, tables, tmp_path_factory):
    """A finished run: its folder, its result, and its recorded progress."""
    folder = tmp_path_factory.mktemp("runs") / "steps"
    progress = Recording()
    result = Run.from_mapping(scheduled(tables, ring)).execute(folder, progress=progress)
    return folder, result, progress.ran


def test_each_step_has_its_stages(finished):
    """Score, choose, prune and teach, twice; what is made last goes by the plain names."""
    steps = ["importance", "selection-1", "pruning-1", "distillation-1"]
    steps += ["importance-2", "selection", "pruning", "distillation"]

    assert finished[2] == ["data", "teacher", "calibration", *steps, "scratch", "evaluation", "report"]


def test_the_selection_is_in_the_teachers_numbers(finished):
    """The last step keeps one of two layers, numbered as in the teacher; shares are of the teacher's four layers."""
    selection = finished[1].selection
    (step,) = selection["steps"]

    assert len(step["kept"]) == 2
    assert set(selection["kept"]) < set(step["kept"])
    assert (len(selection["kept"]), selection["of"]) == (1, 4)
    assert selection["budget"] == "keep 25% of 4 layers"
    assert selection["reason"] == "the 1 highest scores, of the 2 that were left before"


def test_the_last_step_prunes_the_first_steps_student(finished):
    """The pruned tensors are those of the distilled student with two layers, not the teacher's."""
    folder, result, _ = finished
    position = list(result.selection["steps"][0]["kept"]).index(result.selection["kept"][0])
    before, pruned = (load_file(folder / name / "model.safetensors") for name in ("student-1", "pruned"))
    name = "model.layers.{}.mlp.down_proj.weight"

    assert before[name.format(position)].equal(pruned[name.format(0)])
    record = json.loads((folder / "pruned" / "config.json").read_text(encoding="utf-8"))["shortstack"]
    assert record["teacher"]["shortstack"]["kept_layers"] == list(result.selection["steps"][0]["kept"])


def test_the_student_on_the_way_is_evaluated(finished):
    """The intermediate student is in the result, with its curve, in the terminal's table and on the page."""
    _, result, _ = finished

    assert 0 < result.metrics["step-1"]["ndcg@10"] <= 1
    assert list(result.cost["training"]) == ["teacher", "step-1", "scratch", "student"]
    labels = [str(cell) for cell in terminal_table(result).columns[0].cells]
    assert labels == [
        "popularity",
        "personal",
        "item-KNN",
        "Markov",
        "scratch",
        "pruned",
        "student",
        "after step 1",
        "teacher",
    ]
    assert f"{result.selection['steps'][0]['parameters']:,}" in list(terminal_table(result).columns[1].cells)
    assert "<li>After step 1: layers " in render(result)


def test_scratch_sees_as_many_examples_as_all_steps(finished):
    """Scratch trains on as many examples as teacher, first student and last student together."""
    work = finished[1].cost["work"]

    assert work["scratch"]["examples"] == sum(work[name]["examples"] for name in ("teacher", "step-1", "student"))


@pytest.mark.full
def test_another_budget_keeps_the_first_step(finished, ring, tables):
    """Another budget reruns only later stages; an unchanged run reruns nothing."""
    progress = Recording()
    run = Run.from_mapping(scheduled(tables, ring, keep_ratio=None, parameters=3_500))
    result = run.execute(finished[0], progress=progress)
    after = ["selection", "pruning", "distillation", "evaluation", "report"]

    assert progress.ran == after
    assert result.selection["budget"] == "keep at most 3,500 parameters"

    again = Recording()
    Run.from_mapping(scheduled(tables, ring)).execute(finished[0], progress=again)
    again.ran.clear()
    Run.from_mapping(scheduled(tables, ring)).execute(finished[0], progress=again)
    assert again.ran == ["report"]


@pytest.mark.full
def test_the_teacher_may_teach_every_step(finished, ring, tables):
    """``taught_by``: the last student is taught by four layers instead of two, and comes out another."""
    before = load_file(finished[0] / "student" / "model.safetensors")
    run = scheduled(tables, ring)
    run["distillation"] = {**run["distillation"], "taught_by": "teacher"}
    Run.from_mapping(run).execute(finished[0])
    after = load_file(finished[0] / "student" / "model.safetensors")

    assert any(not after[name].equal(tensor) for name, tensor in before.items())


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"schedule": [0]}, "schedule takes whole numbers of layers from 1, or shares between 0 and 1, got 0"),
        ({"schedule": [1.0]}, "schedule takes whole numbers of layers from 1, or shares between 0 and 1, got 1.0"),
        ({"schedule": ["half"]}, r"selection.schedule\[0\] takes a number, got 'half'"),
        ({"schedule": [5]}, "keep_layers is 5, but the teacher has only 4 layers"),
        ({"schedule": [4]}, "step 1 of 2 keeps 4 of 4 layers: each size in selection.schedule must be below the one"),
        ({"schedule": [2, 3]}, "step 2 of 3 keeps 3 of 2 layers"),
        ({"schedule": [0.5], "keep_ratio": None, "keep_layers": 2}, "step 2 of 2 keeps 2 of 2 layers"),
    ],
)
def test_what_cannot_be_a_schedule(ring, tables, tmp_path, selection, message):
    """The error is raised before any work, where the config gives the teacher's depth."""
    with pytest.raises(ConfigurationError, match=message):
        Run.from_mapping(scheduled(tables, ring, **selection)).execute(tmp_path / "run")


def test_a_budget_that_takes_nothing_away(ring, tables, tmp_path):
    """The layers that a parameter budget allows are known only once the model exists."""
    run = Run.from_mapping(scheduled(tables, ring, keep_ratio=None, parameters="90%"))
    with pytest.raises(ConfigurationError, match="step 2 of 2 keeps 2 of 2 layers"):
        run.execute(tmp_path / "run")


@st.composite
def two_selections(draw):
    """Draw a selection of a teacher's layers, and a selection of those."""
    of = draw(st.integers(1, 12))
    first = sorted(draw(st.sets(st.integers(0, of - 1), min_size=1)))
    second = sorted(draw(st.sets(st.integers(0, len(first) - 1), min_size=1)))
    return Selection(kept=first, of=of, forwards=3), Selection(kept=second, of=len(first), forwards=4)


@given(two_selections())
def test_composed_and_taken_apart(both):
    """``within`` undoes ``composed``; passes add up."""
    first, second = both
    whole = composed(first, second)

    assert set(whole.kept) <= set(first.kept)
    assert within(first, whole).kept == second.kept
    assert (whole.of, within(first, whole).of, whole.forwards) == (first.of, second.of, 7)


def test_without_a_schedule_there_is_one_step(ring, tables):
    """The one step uses the plain stage names alone."""
    (step,) = rounds_of(Run.from_mapping(tables(ring)).selection)

    assert (step.source, step.importance, step.named("student")) == ("teacher", "importance", "student")


@pytest.mark.full
def test_passes_of_a_killed_selection_are_not_made_again(ring, tables, tmp_path, monkeypatch):
    """``greedy`` measures nine sets of layers to leave one of four; results from before the kill are kept."""
    from shortstack.importance.probe import ModelProbe

    questions, measure = [], ModelProbe.log_probability

    def counting(self, *, skip=()):
        questions.append(tuple(skip))
        if len(questions) == 6:
            raise KeyboardInterrupt
        return measure(self, skip=skip)

    monkeypatch.setattr(ModelProbe, "log_probability", counting)
    run = Run.from_mapping(tables(ring, selection={"strategy": "greedy", "keep_layers": 1}))
    with pytest.raises(KeyboardInterrupt):
        run.execute(tmp_path / "run")
    result = run.execute(tmp_path / "run")

    assert len(questions) == 9 + 1  # the sixth ran twice
    assert result.selection["forwards"] == 9
    assert "in 9 passes" in result.selection["reason"]
