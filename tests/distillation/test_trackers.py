"""Trackers of a training: what they get, and that nothing they do changes the training."""

import random
from contextlib import suppress

import numpy as np
import pytest
import torch
from distillation.test_resuming import STEPS, Kill, Killed, validation
from transformers import TrainerCallback
from transformers.integrations import integration_utils
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from shortstack.config.training import FitSettings
from shortstack.distillation.checkpoints import last_checkpoint
from shortstack.distillation.fitting import fit
from shortstack.distillation.trackers import EXTRAS, Tracker, require_trackers
from shortstack.distillation.training_arguments import training_arguments
from shortstack.errors import ConfigurationError, UnknownNameError

TIMED = ("seconds", "train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss")


class Recorder(TrainerCallback):
    """Keeps what it is told; draws random numbers each time, and raises at one event."""

    told, raises = [], None

    def tell(self, event, step, logs=None):
        """Keep the event, and draw."""
        timeless = {name: value for name, value in (logs or {}).items() if name not in TIMED}
        self.told.append((event, step, timeless))
        random.random(), np.random.random(), torch.rand(1)  # noqa: NPY002 -- trackers draw where they like
        if event == self.raises:
            raise OSError("the server\nis away")

    def on_train_begin(self, args, state, control, **_):
        """Tell of the start."""
        self.tell("on_train_begin", state.global_step)

    def on_log(self, args, state, control, logs, **_):
        """Tell of the figures."""
        self.tell("on_log", state.global_step, logs)

    def on_save(self, args, state, control, **_):
        """Tell of a checkpoint."""
        self.tell("on_save", state.global_step)

    def on_train_end(self, args, state, control, **_):
        """Tell of the end."""
        self.tell("on_train_end", state.global_step)


@pytest.fixture
def recorder(monkeypatch):
    """A tracker that transformers knows as ``recorder``; ``recorder.told`` is what it was told."""
    kind = type("Recorder", (Recorder,), {"told": []})
    monkeypatch.setitem(INTEGRATION_TO_CALLBACK, "recorder", kind)
    return kind


def trainer(stage, folder, *, report_to=("recorder",), settings=STEPS, **changed):
    """Return a trainer of a student with dropout, which reports."""
    tracked = FitSettings(
        steps=settings.steps,
        batch_size=settings.batch_size,
        warmup_steps=settings.warmup_steps,
        evaluate_every=settings.evaluate_every,
        report_to=report_to,
    )
    return stage.trainer(
        student=stage.tiny(2, seed=1, dropout=0.3),
        embedding_dropout=0.2,
        args=training_arguments(folder, tracked, seed=3, device="cpu", validated=True, name="books/student"),
        validate=validation,
        **changed,
    )


def weights(trained):
    """Return the student's tensors."""
    return trained.student.state_dict()


def test_it_is_told_every_loss_weight_and_metric(stage, tmp_path, recorder):
    """At each logged step, under the names of the history; the name of the training is in the arguments."""
    reporting = trainer(stage, tmp_path)
    history = fit(reporting)
    losses = {step: logs for event, step, logs in recorder.told if "loss" in logs}
    metrics = {step: logs for event, step, logs in recorder.told if "eval_ndcg@10" in logs}

    assert reporting.args.run_name == "books/student"
    assert [record["step"] for record in history] == list(losses) == list(metrics)
    for record in history:
        told = losses[record["step"]]
        assert {f"{kind}/{name}" for kind in ("loss", "weight") for name in stage.losses} <= told.keys()
        assert all(told[name] == record[name] for name in told.keys() & record.keys())
        assert metrics[record["step"]]["eval_ndcg@10"] == record["ndcg@10"]


@pytest.mark.parametrize("event", [None, "on_train_begin", "on_log", "on_save", "on_train_end"])
def test_it_changes_nothing(stage, tmp_path, recorder, event):
    """Neither by drawing numbers nor by raising; a failure is told once, in one line, and ends its reports."""
    plain, said = trainer(stage, tmp_path / "plain", report_to=()), []
    fit(plain)
    recorder.raises = event
    tracked = trainer(stage, tmp_path / "tracked", tell=said.append)
    fit(tracked)

    assert all(torch.equal(tensor, weights(tracked)[name]) for name, tensor in weights(plain).items())
    if event is None:
        assert said == []
    else:
        why = "(OSError: the server is away); training goes on"
        assert said == [f"the tracker 'recorder' failed and gets nothing more of this training {why}"]
        assert [told[0] for told in recorder.told].count(event) == 1
        assert recorder.told[-1][0] == event


@pytest.mark.parametrize("event", ["on_train_begin", "on_log"])
def test_own_callbacks_that_raise_end_the_training(stage, tmp_path, recorder, event):
    """Even one of a tracker's class, for it was given as an object."""
    recorder.raises = event
    with pytest.raises(OSError, match="the server\nis away"):
        fit(trainer(stage, tmp_path, report_to=(), callbacks=[recorder()]))


@pytest.mark.parametrize("after", [3, 4])
def test_after_a_kill_it_is_told_the_whole_curve(stage, tmp_path, recorder, after):
    """A resumed training's tracker gets what one of an uninterrupted training gets."""
    fit(trainer(stage, tmp_path / "whole"))
    whole = [told for told in recorder.told if told[0] == "on_log"]
    with suppress(Killed):
        fit(trainer(stage, tmp_path / "run", callbacks=[Kill(after)]))
    resumed_from = last_checkpoint(tmp_path / "run")
    recorder.told.clear()
    fit(trainer(stage, tmp_path / "run"))

    assert resumed_from is not None
    assert [told for told in recorder.told if told[0] == "on_log"] == whole


def test_a_failed_training_ends_the_trackers_run(stage, tmp_path, recorder):
    """Else the next training in the same process would write into it."""
    with pytest.raises(Killed):
        fit(trainer(stage, tmp_path, callbacks=[Kill(3)]))

    assert [told[0] for told in recorder.told].count("on_train_end") == 1


def test_a_finished_training_ends_it_once(stage, tmp_path, recorder):
    """Transformers tells of the end by itself."""
    fit(trainer(stage, tmp_path))

    assert [told[0] for told in recorder.told].count("on_train_end") == 1


def test_events_are_those_of_transformers():
    """A new event of a later version is passed on too."""
    events = {name for name in dir(TrainerCallback) if name.startswith("on_")}

    assert events
    assert all(getattr(Tracker, name) is not getattr(TrainerCallback, name) for name in events)


def test_a_name_that_transformers_does_not_know():
    """The names that it knows are listed."""
    with pytest.raises(UnknownNameError, match=r"tracker in teacher\.fit\.report_to.*'mlflw'.*mlflow"):
        require_trackers(["mlflw"], "teacher.fit.report_to")


@pytest.mark.parametrize("name", EXTRAS)
def test_a_missing_package_names_the_extra(name, monkeypatch):
    """As does the trainer itself."""
    monkeypatch.setattr(integration_utils, f"is_{name}_available", lambda: False)
    expected = (
        rf"^report_to names '{name}', which cannot start \(RuntimeError: .*\); pip install 'shortstack\[{name}\]', "
        "or leave it out$"
    )
    with pytest.raises(ConfigurationError, match=expected):
        require_trackers([name])


def test_a_missing_package_of_another_tracker(stage, tmp_path, monkeypatch):
    """Before any step of a trainer that is given it."""
    monkeypatch.setattr(integration_utils, "is_comet_available", lambda: False)
    monkeypatch.setattr(integration_utils, "is_dvclive_available", lambda: False)
    with pytest.raises(
        ConfigurationError, match=r"^report_to names 'dvclive', .*; install its package, or leave it out$"
    ):
        trainer(stage, tmp_path, report_to=("dvclive",))
