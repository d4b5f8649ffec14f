"""Files in a run's folder record their settings, and files of other settings are not mistaken for them."""

import json
import shutil

import pytest
from pipeline.conftest import ring_tables
from pipeline.recording import Recording
from pipeline.test_cli import call

from shortstack import Run, compare
from shortstack.errors import ConfigurationError
from shortstack.pipeline.provenance import Difference, described_settings, in_words, mixture

QUICK = {"evaluation": {"resamples": 100, "scratch": False}}


class StoppedError(Exception):
    """Raised in place of a kill."""


class Stopping(Recording):
    """Progress that ends a run at the start of a stage, and records the notes it receives."""

    def __init__(self, where=None):
        super().__init__()
        self.where, self.notes = where, []

    def note(self, text):
        """Record a note for the user."""
        self.notes.append(text)

    def stage(self, stage):
        """Raise at the chosen stage."""
        if stage == self.where:
            raise StoppedError
        return super().stage(stage)


def run_of(source, **changes):
    """Return a quick run with changed settings."""
    return Run.from_mapping(ring_tables(source, **QUICK, **changes))


@pytest.fixture(scope="module")
def whole(ring, tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("runs") / "ring"
    run_of(ring).execute(folder)
    return folder


@pytest.fixture(scope="module")
def changed(ring, whole, tmp_path_factory):
    """A copy of it that another run took over and finished, keeping the first result; and the notes of that run."""
    folder, progress = shutil.copytree(whole, tmp_path_factory.mktemp("runs") / "ring"), Stopping()
    run_of(ring, **LAST).execute(folder, progress=progress, keep=True)
    return folder, progress.notes


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of it."""
    return shutil.copytree(whole, tmp_path / "ring")


LAST = {"selection": {"keep_ratio": 0.25, "strategy": "last"}}


def test_a_finished_folder_holds_no_mixture(folder):
    """All files of a finished folder are of one run."""
    assert mixture(folder) == ""


@pytest.mark.parametrize(
    "stage", ["data", pytest.param("selection", marks=pytest.mark.full), "distillation", "evaluation"]
)
def test_a_run_that_ended_between_two_settings(folder, ring, stage, capsys):
    """Wherever it stopped, the served result says that it belongs to the previous settings."""
    changes = {"selection": {"keep_ratio": 0.25}, "seed": 1} if stage == "data" else LAST
    with pytest.raises(StoppedError):
        run_of(ring, **changes).execute(folder, progress=Stopping(stage))
    old, new = ("seed = 0", "seed = 1") if stage == "data" else ("'strategic'", "'last'")
    stale = "result.json is" if stage == "evaluation" else "student/ and result.json are"
    said = mixture(folder)

    assert said.startswith(f"{folder} holds parts of two runs: {stale} of ")
    assert 0 < said.index(old) < said.index(new)
    for arguments in (
        ["recommend", str(folder), "--history", "Item 3"],
        ["recommend", str(folder / "student"), "--history", "Item 3", "--json"],
        ["plan", str(folder), "--tflops", "1"],
        ["plan", str(folder / "student")],
    ):
        code, out, err = call(*arguments, capsys=capsys)
        assert (code, err.splitlines()[0]) == (0, f"warning: {said}")
        assert out


@pytest.mark.full
def test_an_audit_says_that_it_finishes_another_run(folder, ring, capsys):
    """An audit notes that it finishes another run, after which all files are of one run."""
    with pytest.raises(StoppedError):
        run_of(ring, **LAST).execute(folder, progress=Stopping("distillation"))
    said = mixture(folder)
    code, _, err = call("audit", str(folder), "--json", capsys=capsys)

    assert (code, err) == (0, f"warning: {said}\n")
    assert mixture(folder) == ""
    assert Run.of_folder(folder).selection.strategy == "last"


def test_other_metrics_leave_the_student_as_it_is(folder, ring):
    """A student does not depend on the evaluation: only the result is of the settings before."""
    with pytest.raises(StoppedError):
        Run.from_mapping(ring_tables(ring, evaluation={"resamples": 101, "scratch": False})).execute(
            folder, progress=Stopping("evaluation")
        )

    assert "result.json is of evaluation.resamples = 100" in mixture(folder)


@pytest.mark.parametrize("since", ["yesterday", "2009-13-04", "2010-01-01"])
def test_a_mistake_leaves_a_finished_folder_as_it_is(folder, ring, since):
    """A wrong date is found before the folder is touched."""
    data = {**ring_tables(ring)["data"], "since": since, "until": "2009-01-01"}
    with pytest.raises(ConfigurationError, match=r"^since (takes a date such as|is 2010-01-01, which leaves nothing)"):
        run_of(ring, data=data).execute(folder)

    assert mixture(folder) == ""


def test_long_values_are_cut():
    """Long values are cut in messages."""
    _, new = in_words([Difference(name="teacher.config", old=None, new={"a": "b" * 200})])

    assert new == "teacher.config = {'a': '" + "b" * 73 + "…"


def test_a_teacher_is_not_served_as_made_by_a_selection(folder):
    """A served teacher is not described as made by a selection; only pruned models are."""
    assert described_settings(folder / "teacher") == "the teacher of a run with seed = 0"
    assert "latency" not in described_settings(folder / "student")


def test_what_is_served_says_what_it_was_made_with(folder, capsys):
    """The table's caption says which settings the result was made with."""
    code, out, err = call("recommend", str(folder), "--history", "Item 3", capsys=capsys)

    assert (code, err) == (0, "")
    assert "strategy = 'strategic', keep_ratio = 0.25" in " ".join(out.split())


def test_another_setting_says_what_it_replaces(folder, ring):
    """The note comes before anything is replaced; without a change there is none."""
    again, other = Stopping(), Stopping("data")
    run_of(ring).prepare(folder, progress=again)
    with pytest.raises(StoppedError):
        run_of(ring, **LAST, seed=1).execute(folder, progress=other)

    assert again.notes == []
    (said,) = other.notes
    assert (
        "holds a result of selection.strategy = 'strategic', seed = 0; this run has selection.strategy = 'last', seed = 1"
        in said
    )
    assert f"will be replaced; --keep keeps it as {folder}@" in said


def test_a_result_is_kept_beside(changed, whole, capsys):
    """Figures, report, settings and student: what ``recommend`` needs; then the new one takes the place."""
    folder, (said,) = changed
    (beside,) = folder.parent.glob("ring@*")

    assert f"that result is kept as {beside}" in said
    assert sorted(path.name for path in beside.iterdir()) == [
        "evaluation", "report.html", "result.json", "run.json", "student",
    ]  # fmt: skip
    assert (beside / "result.json").read_bytes() == (whole / "result.json").read_bytes()
    assert Run.of_folder(beside).selection.strategy == "strategic"
    assert json.loads((folder / "result.json").read_bytes())["selection"]["strategy"] == "last"
    for name in (path.name for path in (whole / "student").iterdir()):
        assert (beside / "student" / name).read_bytes() == (whole / "student" / name).read_bytes()
    assert call("recommend", str(beside), "--history", "Item 3", "--json", capsys=capsys)[0] == 0
    assert mixture(beside) == ""
    (row,) = compare([beside, folder]).rows
    assert row.setting == {"run": str(folder), "selection.strategy": "last"}


@pytest.fixture(scope="module")
def with_scratch(ring, tmp_path_factory):
    """A finished run with the scratch baseline."""
    folder = tmp_path_factory.mktemp("runs") / "ring"
    Run.from_mapping(ring_tables(ring)).execute(folder)
    return folder


class TestScratch:
    """The model from scratch is trained once for each config and number of examples."""

    def settled(self, ring, folder, **changes):
        """Return the stages that another run kept, and its result."""
        progress = Recording()
        return progress, Run.from_mapping(ring_tables(ring, **changes)).execute(folder, progress=progress)

    @pytest.mark.parametrize(
        "changes",
        [
            LAST,
            pytest.param({"selection": {"keep_ratio": 0.25, "scorer": "fisher"}}, marks=pytest.mark.full),
            pytest.param({"importance": {"scorers": ["hybrid"], "examples": 8}}, marks=pytest.mark.full),
            pytest.param({"student": {"settings": {"repair": "magnitude"}}}, marks=pytest.mark.full),
        ],
        ids=["strategy", "scorer", "examples", "repair"],
    )
    @pytest.mark.full
    def test_other_layers_leave_it(self, with_scratch, ring, tmp_path, changes):
        """Other selected layers reuse the scratch model, as they have the same shape."""
        progress, result = self.settled(ring, shutil.copytree(with_scratch, tmp_path / "run"), **changes)
        fresh = Run.from_mapping(ring_tables(ring, **changes)).execute(tmp_path / "fresh")

        assert "scratch" in progress.left
        assert {"pruning", "evaluation"} <= {*progress.ran}
        assert result.metrics["scratch"] == fresh.metrics["scratch"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"selection": {"keep_layers": 2}},
            pytest.param({"seed": 1}, marks=pytest.mark.full),
            pytest.param({"task": {"settings": {"window": 8}}}, marks=pytest.mark.full),
        ],
        ids=["size", "seed", "window"],
    )
    def test_another_shape_or_task_does_not(self, with_scratch, ring, tmp_path, changes):
        """Another shape or task trains the scratch model again."""
        progress, _ = self.settled(ring, shutil.copytree(with_scratch, tmp_path / "run"), **changes)

        assert "scratch" in progress.ran

    def test_a_run_without_it_does_not_throw_it_away(self, with_scratch, ring, tmp_path):
        """A run without scratch keeps the stored model without reporting it; the next run with scratch uses it."""
        folder = shutil.copytree(with_scratch, tmp_path / "run")
        without, result = self.settled(ring, folder, **QUICK)
        with_it, again = self.settled(ring, folder)

        assert "scratch" not in {*without.ran, *without.left, *result.metrics, *result.cost["training"]}
        assert with_it.ran == ["evaluation", "report"]
        assert again.metrics["scratch"]
