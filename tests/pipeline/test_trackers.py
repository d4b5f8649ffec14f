"""A run in real trackers: an MLflow store and TensorBoard's event files, read back."""

import shutil
import sys
from types import SimpleNamespace

import attrs
import mlflow
import pytest
from pipeline.prepared import FIT, context, tables
from pipeline.recording import Recording
from report.conftest import a_result
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers.integrations import integration_utils

from shortstack import Run
from shortstack.config.reader import replace
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.files import read_json
from shortstack.pipeline.distillation import distillation_stage
from shortstack.pipeline.tracking import report_to_trackers, tensorboard_folder, wandb_run_closed
from shortstack.planning.schedule import Round
from shortstack.report import write_report
from shortstack.report.figures import png_files
from shortstack.report.trackers import SUMMARIES, dotted
from shortstack.run_layout import RUN, STUDENT, TENSORBOARD, TRACKED, TRAINING

# sqlalchemy and protobuf warn of what MLflow and TensorBoard still call
pytestmark = pytest.mark.filterwarnings("ignore")

BOTH = ["mlflow", "tensorboard"]
STAGE = distillation_stage(Round(number=1, steps=1))


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """The file of an empty MLflow store; MLflow takes seconds to make its tables."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty_store, tmp_path, monkeypatch):
    """An MLflow store in a file; ``store(name)`` gives the one run of a name, ``store.names()`` all names."""
    uri = f"sqlite:///{shutil.copy(empty_store, tmp_path)}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "books")
    client = mlflow.MlflowClient(uri)
    number = client.create_experiment("books", artifact_location=(tmp_path / "artifacts").as_uri())
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)

    def runs():
        return client.search_runs([number])

    def one(name):
        (run,) = [run for run in runs() if run.info.run_name == name]
        return run

    yield SimpleNamespace(client=client, one=one, names=lambda: sorted(run.info.run_name for run in runs()))
    assert mlflow.active_run() is None  # none of them was left open


def reporting(report_to, **changes):
    """Return settings whose trainings report."""
    fit = {**FIT, "report_to": report_to}
    plain = tables(**changes)
    return {**plain, "teacher": {**plain["teacher"], "fit": fit}, "distillation": {"fit": fit}}


def events(folder):
    """Return the event files of a folder, loaded."""
    return EventAccumulator(str(folder)).Reload()


def curve(store, run, name):
    """Return MLflow's values of a metric by step."""
    return {point.step: point.value for point in store.client.get_metric_history(run.info.run_id, name)}


def scalars(loaded, name):
    """Return TensorBoard's values of a scalar by step."""
    return {point.step: point.value for point in loaded.Scalars(name)}


def test_the_curves_of_a_training(trained, store):
    """Each loss, its weight and each validated metric, in both, as the run's own record has them."""
    root, said = trained(BOTH)
    run, loaded = store.one("run/student"), events(root / TENSORBOARD / "student" / "1")
    points = read_json(root / STUDENT / TRAINING)["curve"]

    assert said == []
    assert run.info.status == "FINISHED"
    assert run.data.params["max_steps"] == str(FIT["steps"])
    assert run.data.params["hidden_size"] == "16"
    for name in points[-1].keys() - {"step", "seconds", "ndcg@10"}:
        expected = {point["step"]: point[name] for point in points}
        assert curve(store, run, name) == expected
        assert scalars(loaded, f"train/{name}") == pytest.approx(expected)
    measured = {point["step"]: point["ndcg@10"] for point in points if point["ndcg@10"] is not None}
    assert measured
    assert {name for name in points[-1] if name.startswith("weight/")} == {
        "weight/labels",
        "weight/soft-targets",
        "weight/hidden-states",
    }
    assert curve(store, run, "eval_ndcg_10") == measured
    assert scalars(loaded, "eval/ndcg@10") == pytest.approx(measured)


@pytest.fixture
def trained(without):
    """Carries out the student's stage with trackers; returns the run's folder and the notes: ``trained(trackers)``."""

    def train(report_to):
        root, said = without(STUDENT), Recording()
        (root / RUN).write_text("{}", encoding="utf-8")  # a run writes it before its stages
        STAGE.perform(attrs.evolve(context(root, **reporting(report_to)), progress=said), "a key")
        return root, said.notes

    return train


@pytest.fixture
def done(tmp_path, monkeypatch):
    """A run's folder with a result; ``done.report(trackers)`` reports it, and ``done.notes`` is what was said."""
    root, said, result = tmp_path / "run", Recording(), a_result()
    root.mkdir()
    result.save(root)
    write_report(root)

    monkeypatch.setattr("shortstack.report.trackers.png_files", lambda *_: {})  # drawing takes seconds

    def report(*trackers, result=result):
        report_to_trackers(attrs.evolve(context(root, **reporting(trackers)), progress=said), result)

    return SimpleNamespace(root=root, result=result, report=report, notes=said.notes)


def test_a_finished_run_in_mlflow(done, store, monkeypatch):
    """Settings, metrics, verdict, figures and report, in a run of the folder's name."""
    monkeypatch.setattr("shortstack.report.trackers.png_files", png_files)
    done.report("mlflow")
    run, result = store.one("run"), done.result
    files = {entry.path for folder in ("", "figures") for entry in store.client.list_artifacts(run.info.run_id, folder)}
    kept = {name for name, value in result.metrics["student"].items() if value is not None}

    assert done.notes == []
    assert run.data.params == dict(dotted(result.config))
    assert run.data.metrics["student/ndcg_10"] == result.metrics["student"]["ndcg@10"]
    assert len([name for name in run.data.metrics if name.startswith("student/")]) == len(kept)
    assert run.data.metrics["comparisons/student-scratch/ndcg_10"] == 0.003
    assert run.data.metrics["parameters/student"] == result.parameters["student"]
    assert files >= {"verdict.txt", "settings.json", "report.html", "figures/comparison.png", "figures/convergence.png"}
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/verdict.txt") == result.verdict


def test_a_setting_that_is_too_long_for_mlflow(done, store):
    """It is cut; the artifact has it in full."""
    config = {"data": {"source": "x" * 7000}, **{f"setting-{number}": number for number in range(150)}}
    done.report("mlflow", result=attrs.evolve(done.result, config=config))
    run = store.one("run")

    assert set(run.data.params["data.source"]) == {"x"}
    assert len(run.data.params) == 151
    assert mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/settings.json")["data.source"] == "x" * 7000


def test_a_finished_run_in_tensorboard(done, monkeypatch):
    """Texts, scalars and images."""
    monkeypatch.setattr("shortstack.report.trackers.png_files", png_files)
    done.report("tensorboard")
    loaded, result = events(done.root / TENSORBOARD / "result" / "1"), done.result
    (verdict,) = loaded.Tensors("verdict/text_summary")
    said = verdict.tensor_proto.string_val[0].decode()

    assert said.split("\n\n") == result.verdict.split("\n")
    assert scalars(loaded, "student/ndcg@10") == pytest.approx({0: result.metrics["student"]["ndcg@10"]})
    assert {"figures/comparison", "figures/compression", "figures/convergence"} <= set(loaded.Tags()["images"])


def test_the_same_result_is_reported_once(done, store):
    """Whatever is executed again; a tracker that is new gets it, and another result is reported."""
    done.report("mlflow")
    done.report("mlflow")
    assert store.names() == ["run"]

    done.report("mlflow", "tensorboard")
    assert store.names() == ["run"]
    assert (done.root / TENSORBOARD / "result" / "1").is_dir()

    done.report("mlflow", result=attrs.evolve(done.result, metrics={"student": {"ndcg@10": 0.5}}))
    assert store.names() == ["run", "run"]


def test_a_damaged_record_reports_again(done, store):
    """It is worth a second run in the tracker, not an error."""
    done.report("mlflow")
    (done.root / TRACKED).write_text("{", encoding="utf-8")
    done.report("mlflow")

    assert store.names() == ["run", "run"]


def test_a_tracker_that_fails_at_the_end(done, monkeypatch):
    """Is reported, and gets the result when the run is executed again; the others have it."""

    def away(_summary):
        raise OSError("the server\nis away")

    with monkeypatch.context() as broken:
        broken.setattr("shortstack.report.trackers.SUMMARIES", {**SUMMARIES, "mlflow": away})
        done.report("mlflow", "tensorboard")
    assert done.notes == [
        "the tracker 'mlflow' did not get the run's result (OSError: the server is away); run it again to report it"
    ]
    assert read_json(done.root / TRACKED).keys() == {"tensorboard"}


def test_a_tracker_that_fails_in_a_stage(trained, monkeypatch):
    """The note is the run's, and the stage has its result."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://there")
    root, notes = trained(["mlflow"])

    assert (root / STUDENT / "model.safetensors").is_file()
    assert len(notes) == 1
    assert notes[0].startswith("the tracker 'mlflow' failed and gets nothing more of this training (")


def test_event_files_of_each_attempt(tmp_path, monkeypatch):
    """A folder of its own, in the run's folder or where the user says."""
    root = tmp_path / "books"
    first = tensorboard_folder(root, "student")
    first.mkdir(parents=True)

    assert first == root / TENSORBOARD / "student" / "1"
    assert tensorboard_folder(root, "student") == root / TENSORBOARD / "student" / "2"
    assert tensorboard_folder(root, "teacher") == root / TENSORBOARD / "teacher" / "1"

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "all"))
    assert tensorboard_folder(root, "student") == tmp_path / "all" / "books" / "student" / "1"


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_finished_run_in_wandb_and_trackio(name, done, monkeypatch):
    """A run of the folder's name with settings, metrics and verdict, which is ended; their packages are played."""
    got, ended = {}, []

    def init(**given):
        got.update(given["config"], name=given["name"])
        return run

    run = SimpleNamespace(summary=got, log=got.update, finish=lambda: ended.append(True))
    kinds = dict.fromkeys(("Image", "Html", "Markdown"), lambda value, **_: value)
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(init=init, log=run.log, finish=run.finish, **kinds))
    done.report(name)

    assert done.notes == []
    assert ended == [True]
    assert got["name"] == "run"
    assert got["data.source"] == done.result.config["data"]["source"]
    assert got["student/ndcg@10"] == done.result.metrics["student"]["ndcg@10"]
    assert got["verdict"] == done.result.verdict


@pytest.mark.parametrize("was_open", [None, "the user's"])
def test_the_open_run_of_wandb(was_open, monkeypatch):
    """Transformers leaves it open: it is closed, but not one that was open before."""
    closed = []
    wandb = SimpleNamespace(run=was_open, finish=lambda: closed.append(True))
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    with wandb_run_closed(["wandb"]):
        wandb.run = wandb.run or "transformers'"
    with wandb_run_closed(["mlflow"]):
        pass

    assert len(closed) == (was_open is None)


@pytest.mark.parametrize("table", ["teacher.fit", "distillation.fit"])
def test_trackers_are_checked_before_any_work(table, tmp_path, monkeypatch):
    """A name that is unknown, and a package that is missing; nothing is written."""
    monkeypatch.setattr(integration_utils, "is_mlflow_available", lambda: False)
    for name, error in (("mlflw", UnknownNameError), ("mlflow", ConfigurationError)):
        run = Run.from_mapping(replace(reporting([]), f"{table}.report_to", [name]))
        with pytest.raises(error, match=rf"{table}\.report_to"):
            run.execute(tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.full
def test_a_whole_run(ring, tables, store, tmp_path):
    """One run in the tracker for each training, and one for the result; nothing is reported or trained twice."""
    plain = tables(ring)
    Run.from_mapping(plain).execute(tmp_path / "books")
    tracked = replace(replace(plain, "teacher.fit.report_to", BOTH), "distillation.fit.report_to", BOTH)
    said = Recording()
    result = Run.from_mapping(tracked).execute(tmp_path / "books", progress=said)

    assert {"teacher", "distillation", "scratch", "evaluation"} <= set(said.left)
    assert store.names() == ["books"]
    assert store.one("books").data.params["distillation.fit.report_to"] == '["mlflow", "tensorboard"]'

    fresh = Run.from_mapping(tracked).execute(tmp_path / "novels")
    assert store.names() == ["books", "novels", "novels/scratch", "novels/student", "novels/teacher"]
    assert fresh.metrics == result.metrics
    Run.from_mapping(tracked).execute(tmp_path / "novels")
    assert len(store.names()) == 5
