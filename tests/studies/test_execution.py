"""Runs of a study in turn: nothing is done twice, a failed run ends none of the others, and a folder is one study's."""

import json
import shutil

import attrs
import polars as pl
import pytest
from pipeline.conftest import without_times
from studies.conftest import Notes

from shortstack import (
    ConfigurationError,
    DataError,
    DiskFullError,
    Run,
    RunFolderError,
    SourceNotFoundError,
    Study,
    StudyResult,
    UnknownNameError,
)
from shortstack.studies.executors import executor
from shortstack.studies.table import study_table

HALF, QUARTER, EMPTY = "keep_ratio=0.5", "keep_ratio=0.25", "min_rating=9.0"


def result_of(folder):
    """Return a result without times and memory."""
    return without_times(json.loads((folder / "result.json").read_text(encoding="utf-8")))


def test_what_two_runs_share_is_done_once(executed):
    """All until the layers are chosen; the second run takes it from the first."""
    folder, _, notes = executed
    taken = ["data", "teacher", "calibration", "importance"]

    assert notes.ran.count("teacher") == 1
    assert [note.partition(":")[0] for note in notes.told if ": taken from " in note] == taken
    files = [folder / "runs" / name / "teacher" / "model.safetensors" for name in (HALF, QUARTER)]
    assert files[0].samefile(files[1])


def test_a_result_is_that_of_a_separate_run(executed, study, tmp_path):
    """Bit for bit, but for times."""
    alone = tmp_path / "alone"
    study.members[QUARTER].run.execute(alone)

    assert result_of(executed[0] / "runs" / QUARTER) == result_of(alone)
    for model in ("teacher", "pruned", "student"):
        weights = [root / model / "model.safetensors" for root in (alone, executed[0] / "runs" / QUARTER)]
        assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_failed_run_is_told_and_the_others_are_done(executed):
    """The table has the failed run too."""
    _, result, notes = executed

    assert list(result.failed) == [EMPTY]
    assert result.failed[EMPTY].startswith("no interactions are left")
    assert f"the run {EMPTY!r} failed: {result.failed[EMPTY]}" in notes.told
    assert [outcome.status for outcome in result.outcomes] == ["finished", "finished", "failed"]
    with pytest.raises(SourceNotFoundError, match=f"the run {EMPTY!r} of .* is failed .*; start the study again"):
        result.run(EMPTY)


def test_the_same_again_keeps_all_and_tries_the_failed_run(executed, study, tmp_path):
    """A run that comes to its end is no longer a failed one."""
    folder, notes = shutil.copytree(executed[0], tmp_path / "out"), Notes()
    failed = json.loads((folder / "failures.json").read_text(encoding="utf-8"))
    (folder / "failures.json").write_text(json.dumps({**failed, HALF: "an earlier fault"}), encoding="utf-8")
    result = study.execute(folder, progress=notes)

    assert set(notes.ran) == {"data", "report"}
    assert result.failed == failed
    assert result_of(folder / "runs" / HALF) == result_of(executed[0] / "runs" / HALF)


def test_a_teachers_states_are_shared(base, tmp_path):
    """A second run that learns from the same teacher takes the cache of the first, as its own files; a damaged one it writes."""
    losses = {"labels": 1.0, "soft-targets": 1.0}
    cached = attrs.evolve(base, distillation=attrs.evolve(base.distillation, cache="on", losses=losses))
    study = Study(base=cached, axes={"distillation.losses.soft-targets.temperature": [1.0, 4.0]})
    notes = Notes()
    result = study.execute(tmp_path / "out", progress=notes)
    caches = [
        place for run in result.outcomes for place in (tmp_path / "out" / "runs" / run.name).glob("teacher-states/*")
    ]

    assert not result.failed
    assert [note.partition(":")[0] for note in notes.told].count("teacher states") == 1
    assert len({place.name for place in caches}) == 1
    assert len(caches) == 2
    assert caches[0].joinpath("states.bin").samefile(caches[1] / "states.bin")


def test_a_refused_run_fails_alone(base, tmp_path):
    """Its later stages are refused before the teacher's training, and the next run trains the same teacher."""
    groups_of_five = {"evaluation.compressed": {"teacher": ["magnitude-2:5"]}}
    notes = Notes()
    result = Study(base=base, variants={"refused": groups_of_five, "base": {}}).execute(
        tmp_path / "out", progress=notes
    )

    assert list(result.failed) == ["refused"]
    assert result.failed["refused"].startswith("magnitude-2:5 cannot compress LlamaForCausalLM")
    assert notes.ran.count("teacher") == 2
    assert notes.ran.count("distillation") == 1


def test_a_source_that_is_not_there_fails_its_own_runs(base, little_ring, tmp_path):
    """The data of the others differ in nothing but what is read."""
    study = Study(base=base, axes={"data.source": [str(tmp_path / "nowhere.csv"), str(little_ring)]})
    result = study.execute(tmp_path / "out", progress=Notes())

    assert [outcome.status for outcome in result.outcomes] == ["failed", "finished"]


def test_a_study_may_grow(executed, base, tmp_path):
    """More runs of the same base go into the same folder, and take what is there."""
    folder, notes = shutil.copytree(executed[0], tmp_path / "out"), Notes()
    result = Study(base=base, axes={"selection.keep_layers": [2]}).execute(folder, progress=notes)

    assert "teacher" not in notes.ran
    assert [outcome.name for outcome in result.outcomes] == ["keep_layers=2"]


def test_results_of_other_folders_are_taken(executed, base, tmp_path):
    """A study's folder, or one run's, named by ``reuse``."""
    for place in (executed[0], executed[0] / "runs" / HALF):
        notes = Notes()
        Study(base=base, reuse=[place]).execute(tmp_path / place.name, progress=notes)

        assert notes.ran == ["report"]


def test_a_folder_to_reuse_is_not_there(base, tmp_path):
    """It is refused before anything is written."""
    with pytest.raises(SourceNotFoundError, match="none is no folder of a run or a study; correct it in reuse"):
        Study(base=base, reuse=[tmp_path / "none"]).execute(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_result_is_not_taken(executed, base, tmp_path):
    """What was damaged after it was written is done again, and that is told."""
    source, notes = shutil.copytree(executed[0] / "runs" / HALF, tmp_path / "earlier"), Notes()
    weights = source / "student" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x00")
    Study(base=base, reuse=[source]).execute(tmp_path / "out", progress=notes)

    assert notes.ran[0] == "distillation"
    assert any("is damaged" in note and note.endswith("distillation is done again") for note in notes.told)


def test_a_wrong_run_is_refused_before_any_work(base, tmp_path):
    """A misspelt scorer in the last run costs no hour of the others'."""
    wrong = Study(base=base, axes={"selection.scorer": ["fisher", "fischer"]})

    with pytest.raises(ConfigurationError, match=r"selection\.scorer is 'fischer'") as error:
        wrong.execute(tmp_path / "out")
    assert error.value.__notes__ == ["in the study's run 'scorer=fischer'; nothing was done"]
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_the_study(base, tmp_path, monkeypatch):
    """It is no fault of the run, and the next would meet it too."""

    def full(*_, **__):
        raise DiskFullError("no room")

    monkeypatch.setattr(executor, "perform_piece", full)
    with pytest.raises(DiskFullError, match="no room"):
        Study(base=base).execute(tmp_path / "out")


def test_whatever_a_run_raises_is_its_failure(base, tmp_path, monkeypatch):
    """A fault in a library has its kind told."""

    def broken(*_, **__):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(executor, "perform_piece", broken)
    result = Study(base=base).execute(tmp_path / "out")

    assert result.failed == {"base": "ZeroDivisionError: by nothing"}


class TestFolder:
    """A study's folder holds one study."""

    def test_another_base(self, executed, base):
        """The settings that differ are named."""
        other = Study(base=Run.from_mapping({**base.to_mapping(), "seed": 5}))

        with pytest.raises(RunFolderError, match="another study: its base has seed = 0, and this one's seed = 5; name"):
            other.execute(executed[0])

    def test_a_name_of_another_run(self, executed, base, tmp_path):
        """A variant whose settings were changed under the same name."""
        folder = shutil.copytree(executed[0], tmp_path / "out")
        told = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        told["runs"][HALF]["key"] = "of other settings"
        (folder / "study.json").write_text(json.dumps(told), encoding="utf-8")

        with pytest.raises(RunFolderError, match=r"another study: its run 'keep_ratio=0\.5\' has other settings than"):
            Study(base=base, axes={"selection.keep_ratio": [0.5]}).execute(folder)

    def test_something_else(self, base, tmp_path):
        """A folder of other files, or a file, is left alone."""
        (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")

        with pytest.raises(
            RunFolderError, match="holds something else; name a new folder, or that of an earlier study"
        ):
            Study(base=base).execute(tmp_path)
        with pytest.raises(RunFolderError, match=r"mine\.txt is a file; name a new folder"):
            Study(base=base).execute(tmp_path / "mine.txt")

    def test_none(self, tmp_path):
        """A folder without a study has no results."""
        with pytest.raises(SourceNotFoundError, match=r"is no study's folder: it holds no study\.json"):
            StudyResult.load(tmp_path)

    @pytest.mark.parametrize("text", ["{", '{"schema": 7}'])
    def test_damaged(self, tmp_path, text):
        """The message says what to do."""
        (tmp_path / "study.json").write_text(text, encoding="utf-8")

        with pytest.raises(DataError, match=r"study\.json is damaged.*; remove it, and start the study again"):
            StudyResult.load(tmp_path)

    def test_damaged_failures(self, executed, tmp_path):
        """The run is then one that is still to be done."""
        folder = shutil.copytree(executed[0], tmp_path / "out")
        (folder / "failures.json").write_text("{", encoding="utf-8")

        assert [outcome.status for outcome in StudyResult.load(folder).outcomes] == [
            "finished",
            "finished",
            "unfinished",
        ]

    def test_a_run_of_other_settings(self, executed, tmp_path):
        """Its result is not taken for the study's."""
        folder = shutil.copytree(executed[0], tmp_path / "out")
        shutil.rmtree(folder / "runs" / HALF)
        shutil.copytree(folder / "runs" / QUARTER, folder / "runs" / HALF)

        assert StudyResult.load(folder).outcomes[0].status == "unfinished"


class TestTable:
    """One row for each run and model."""

    def test_files_hold_one_table(self, executed):
        """Parquet, CSV and JSON agree with ``to_polars``."""
        folder, result, _ = executed
        table = result.to_polars()

        assert pl.read_parquet(folder / "results.parquet").equals(table)
        text = pl.read_csv(folder / "results.csv")
        assert text.columns == table.columns
        assert text["ndcg@10"].to_list() == table["ndcg@10"].to_list()
        stored = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        assert stored == {"axes": ["selection.keep_ratio", "data.min_rating"], "rows": result.rows()}

    def test_figures_are_those_of_the_runs(self, executed):
        """Values and intervals of every model and metric, parameters, speed, layers."""
        result = executed[1]
        for name in (HALF, QUARTER):
            run = result.run(name)
            rows = {row["model"]: row for row in result.rows() if row["run"] == name}

            assert rows.keys() == run.metrics.keys()
            for model, metrics in run.metrics.items():
                for metric, value in metrics.items():
                    bounds = [rows[model][f"{metric}/low"], rows[model][f"{metric}/high"]]
                    assert rows[model][metric] == value
                    assert bounds == list(run.intervals.get(model, {}).get(metric) or (None, None))
            student, teacher = rows["student"], rows["teacher"]
            assert (student["parameters"], teacher["parameters"]) == (
                run.parameters["student"],
                run.parameters["teacher"],
            )
            assert (student["kept"], teacher["kept"], student["layers"]) == (run.selection["kept"], [0, 1, 2, 3], 4)
            assert student["users_per_second"] == run.cost["speed"]["student"]["users_per_second"]
            assert rows["popularity"]["parameters"] is None

    def test_axes_and_status(self, executed):
        """The failed run has one row, with its values and its error."""
        table = executed[1].to_polars()
        failed = table.filter(pl.col("status") == "failed").to_dicts()

        assert table.filter(pl.col("model") == "student")["selection.keep_ratio"].to_list() == [0.5, 0.25]
        assert [(row["run"], row["data.min_rating"], row["model"]) for row in failed] == [(EMPTY, 9.0, None)]
        assert failed[0]["error"] == executed[1].failed[EMPTY]

    def test_an_unknown_run_has_a_suggestion(self, executed):
        """As every name has."""
        with pytest.raises(
            UnknownNameError, match=r"run of the study 'keep_ratio=0.55'; did you mean 'keep_ratio=0.5'"
        ):
            executed[1].run("keep_ratio=0.55")

    def test_in_a_terminal(self, executed):
        """Without seeds a row is a run, with its interval over users."""
        table = study_table(executed[1])

        assert [str(column.header) for column in table.columns] == [
            "keep_ratio",
            "min_rating",
            "runs",
            "layers",
            "student",
            "95% interval",
            "teacher",
        ]
        assert table.row_count == 2
