"""Checkpoints: exact resumption, nothing pickled, and what counts as whole or ended."""

import pickle
import zipfile
from itertools import product

import pytest
import torch
from distillation.test_learning_balancings import TABLES, name_of
from transformers import TrainerCallback

from shortstack.config.training import FitSettings
from shortstack.distillation.checkpoints import has_ended, last_checkpoint, load_tree, save_tree
from shortstack.distillation.fitting import fit
from shortstack.distillation.training_arguments import early_stopping
from shortstack.errors import ConfigurationError, DataError, NonFiniteError

STEPS = FitSettings(steps=9, batch_size=5, accumulate=5, warmup_steps=2, evaluate_every=2)


class Killed(Exception):  # noqa: N818 -- it is no error
    """Raised in place of a kill."""


class Kill(TrainerCallback):
    """Ends the process after a step, before that step's checkpoint."""

    def __init__(self, after):
        self.after = after

    def on_step_end(self, args, state, control, **_):
        """Raise at the chosen step."""
        if state.global_step == self.after:
            raise Killed


def validation(student):
    """Return a metric of the weights."""
    return {"ndcg@10": float(student.lm_head.weight.abs().mean()), "loss": 1.0}


def trained(stage, folder, *, kills=(), settings=STEPS, validated=True, **changed):
    """Train a student narrower than its teacher, with dropout, through kills; return it and the history."""
    for after in (*kills, None):
        trainer = stage.trainer(
            student=stage.tiny(2, seed=1, hidden=8, dropout=0.3),
            embedding_dropout=0.2,
            settings=settings,
            folder=folder,
            callbacks=[Kill(after)] if after else [],
            **({"validate": validation} if validated else {}),
            **changed,
        )
        if last_checkpoint(folder):
            torch.manual_seed(1000)  # a resumed process starts elsewhere
        try:
            history = fit(trainer)
        except Killed:
            continue
    return trainer, history


def timeless(history):
    """Return the history without the seconds."""
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def everything(trainer):
    """Return the student's and the losses' tensors."""
    return trainer.model.state_dict()


@pytest.mark.parametrize(
    "kills", [(1,), (5, 8), *(pytest.param((step,), marks=pytest.mark.full) for step in (3, 6, 9))]
)
@pytest.mark.parametrize("validated", [True, False])
def test_resuming_is_exact(stage, tmp_path, kills, validated):
    """Resuming is exact on one thread: dropout, shuffling, projections, scales; within and between epochs."""
    whole, expected = trained(stage, tmp_path / "whole", validated=validated)
    parts, actual = trained(stage, tmp_path / "parts", kills=kills, validated=validated)

    assert timeless(expected) == timeless(actual)
    assert all(torch.equal(value, everything(parts)[name]) for name, value in everything(whole).items())
    assert whole.memory == parts.memory
    assert set(whole.memory) == {"labels", "soft-targets", "hidden-states"}


LINE = {
    "labels": 1.0,
    "soft-targets": {"weight": 2.0, "temperature": {"from": 4.0, "to": 1.0}},
    "hidden-states": 0.5,
}


@pytest.mark.parametrize("table", TABLES, ids=name_of)
@pytest.mark.full
def test_resuming_is_exact_with_every_balancing(stage, tmp_path, table):
    """What a balancing remembers, and settings that go in a straight line, go on where they were, bit for bit."""
    changed = {"balancing": table, "losses": LINE, "log_gradient_norms": True, "validated": False}
    whole, expected = trained(stage, tmp_path / "whole", **changed)
    parts, actual = trained(stage, tmp_path / "parts", kills=(5, 8), **changed)

    assert timeless(expected) == timeless(actual)
    assert all(torch.equal(value, everything(parts)[name]) for name, value in everything(whole).items())
    assert whole.memory == parts.memory
    assert bool(whole.memory) == (table != "fixed")


def test_the_clock_goes_on_after_a_resume(stage, tmp_path):
    """Recorded seconds never decrease after a resume."""
    _, history = trained(stage, tmp_path / "run", kills=(5,))
    seconds = [record["seconds"] for record in history]

    assert sorted(seconds) == seconds
    assert seconds[0] > 0


def test_an_ended_training_is_taken_up_as_it_was(stage, tmp_path):
    """No further step is taken; the best weights come back."""
    first, history = trained(stage, tmp_path / "run")
    stop = [Kill(after) for after in range(1, 99)]
    again = stage.trainer(
        student=stage.tiny(2, seed=9, hidden=8),
        settings=STEPS,
        folder=tmp_path / "run",
        callbacks=stop,
        validate=validation,
    )

    assert history == fit(again)
    assert all(
        torch.equal(value, again.student.state_dict()[name]) for name, value in first.student.state_dict().items()
    )
    assert not again.student.training


def test_an_ended_training_without_validation(stage, tmp_path):
    """A finished training without validation restores the last weights."""
    first, _ = trained(stage, tmp_path / "run", validated=False)
    again = stage.trainer(
        student=stage.tiny(2, seed=9, hidden=8), settings=STEPS, folder=tmp_path / "run", callbacks=[Kill(9)]
    )
    fit(again)

    assert torch.equal(first.student.lm_head.weight, again.student.lm_head.weight)


def test_the_best_model_is_kept(stage, tmp_path):
    """The best model is selected by the validation metric, not by the loss or the last step."""
    seen, scores = [], iter([0.1, 0.5, 0.2, 0.3, 0.1])

    def scored(student):
        seen.append(student.lm_head.weight.detach().clone())
        assert not student.training
        return {"ndcg@10": next(scores)}

    trainer, history = trained(stage, tmp_path / "run", validated=False, validate=scored)

    assert torch.equal(seen[1], trainer.student.lm_head.weight)
    assert [0.1, 0.5, 0.2, 0.3, 0.1] == [record["ndcg@10"] for record in history if "ndcg@10" in record]
    assert [2, 4, 6, 8, 9] == [record["step"] for record in history if "ndcg@10" in record]


@pytest.mark.parametrize("kills", [(), (5,), (7,)])
def test_early_stopping_survives_kills(stage, tmp_path, kills):
    """Patience goes on counting where it was: the second validation is the best, so training ends at the fourth."""
    settings = FitSettings(steps=20, batch_size=5, warmup_steps=0, evaluate_every=2, patience=2)
    scores = {2: 0.1, 4: 0.5, 6: 0.2, 8: 0.3, 10: 0.4}
    current = []

    def scored(_student):
        return {"ndcg@10": scores[current[-1].state.global_step]}

    for after in (*kills, None):
        trainer = stage.trainer(
            student=stage.tiny(2, seed=1, hidden=8),
            settings=settings,
            folder=tmp_path / "run",
            callbacks=[*early_stopping(settings), *([Kill(after)] if after else [])],
            validate=scored,
        )
        current.append(trainer)
        try:
            history = fit(trainer)
        except Killed:
            continue

    assert 8 == history[-1]["step"]
    assert has_ended(last_checkpoint(tmp_path / "run"))


def test_no_patience_means_no_early_stopping():
    """With patience 0 training goes on to the last step."""
    assert early_stopping(FitSettings(patience=0)) == []


def test_checkpoints_hold_safetensors_and_json_only(stage, tmp_path):
    """Nothing in them is, or contains, a pickle."""
    trained(stage, tmp_path / "run")
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]

    assert {".safetensors", ".json"} == {path.suffix for path in files}
    for path in files:
        assert not zipfile.is_zipfile(path)
        with path.open("rb") as file, pytest.raises(pickle.UnpicklingError):
            _Refuser(file).load()


class _Refuser(pickle.Unpickler):
    """An unpickler that refuses to build objects."""

    def find_class(self, module, name):
        """Raise: this would be a pickle."""
        pytest.fail(f"a pickle of {module}.{name}")


def test_resuming_unpickles_nothing(stage, tmp_path, monkeypatch):
    """``torch.load`` is never called."""
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch.load was called"))
    monkeypatch.setattr(torch, "save", lambda *_, **__: pytest.fail("torch.save was called"))

    trained(stage, tmp_path / "run", kills=(5,))


def test_a_checkpoint_cut_short_is_passed_over(stage, tmp_path):
    """A kill while saving leaves a folder without a readable state; the one before is used."""
    trained(
        stage,
        tmp_path / "run",
        kills=(7,),
        settings=FitSettings(steps=7, batch_size=5, warmup_steps=0, evaluate_every=2),
    )
    folder = tmp_path / "run"
    newest = last_checkpoint(folder)
    for number, state in ((100, None), (101, "{"), ("x", "{}")):
        (folder / f"checkpoint-{number}").mkdir()
        if state is not None:
            (folder / f"checkpoint-{number}" / "trainer_state.json").write_text(state)

    assert newest == last_checkpoint(folder)
    assert newest.name == "checkpoint-7"
    assert last_checkpoint(tmp_path / "nowhere") is None


def test_resuming_by_trainers_own_switch(stage, tmp_path):
    """``train(resume_from_checkpoint=True)`` finds the folder, as everywhere in transformers."""
    with pytest.raises(Killed):
        stage.trainer(callbacks=[Kill(5)], settings=STEPS, folder=tmp_path / "run").train()
    trainer = stage.trainer(settings=STEPS, folder=tmp_path / "run")
    trainer.train(resume_from_checkpoint=True)

    assert 9 == trainer.state.global_step


FILES = (
    "config.json",
    "digests.json",
    "model.safetensors",
    "random-0.safetensors",
    "trainer_state.json",
    "training.safetensors",
)


def half(content):
    """Return a file that was cut short."""
    return content[: len(content) // 2]


def with_another_byte(content):
    """Return a file with one bit changed in its middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def damaged_in_turn(checkpoint):
    """Yield each file of a checkpoint, damaged in each way or removed; put back what was there."""
    for name, how in product(FILES, (None, half, with_another_byte, lambda content: content[:0])):
        path = checkpoint / name
        content = path.read_bytes()
        path.unlink()
        if how is not None:
            path.write_bytes(how(content))
        yield path
        path.write_bytes(content)


def test_a_broken_checkpoint_is_passed_over(stage, tmp_path):
    """Whatever is wrong with a file of the newest, it is named, and the one before is used."""
    with pytest.raises(Killed):
        fit(stage.trainer(callbacks=[Kill(5)], settings=STEPS, folder=tmp_path))
    newest = tmp_path / "checkpoint-4"
    assert sorted(path.name for path in newest.iterdir() if path.name != "generation_config.json") == sorted(FILES)
    for path in damaged_in_turn(newest):
        messages = []
        assert tmp_path / "checkpoint-2" == last_checkpoint(tmp_path, messages.append)
        (said,) = messages
        unfinished = not (newest / "digests.json").is_file()
        assert said.startswith(f"{newest} was not written to its end" if unfinished else f"{path} is ")
        assert said.endswith("training does not go on from checkpoint-4, but from the one before, or from its start")

    assert newest == last_checkpoint(tmp_path)


def test_training_past_a_broken_checkpoint_ends_the_same(stage, tmp_path):
    """Training goes on from the one before, says so, and ends as one that was never interrupted."""
    whole, again = (stage.trainer(settings=STEPS, folder=tmp_path / name) for name in ("whole", "run"))
    fit(whole)
    with pytest.raises(Killed):
        fit(stage.trainer(callbacks=[Kill(5)], settings=STEPS, folder=tmp_path / "run"))
    weights = tmp_path / "run" / "checkpoint-4" / "model.safetensors"
    weights.write_bytes(with_another_byte(weights.read_bytes()))
    messages = []
    fit(again, messages.append)

    assert [f"{weights} is damaged"] == [sentence.partition(":")[0] for sentence in messages]
    assert all(torch.equal(value, everything(again)[name]) for name, value in everything(whole).items())


def test_a_checkpoint_whose_best_is_damaged_is_passed_over(stage, tmp_path):
    """Training ends with the weights of the best checkpoint, so one without them is of no use."""
    best_first = iter((0.9, 0.1, 0.1))
    with pytest.raises(Killed):
        fit(
            stage.trainer(
                callbacks=[Kill(5)], settings=STEPS, folder=tmp_path, validate=lambda _: {"ndcg@10": next(best_first)}
            )
        )
    assert tmp_path / "checkpoint-4" == last_checkpoint(tmp_path)
    weights = tmp_path / "checkpoint-2" / "model.safetensors"
    weights.write_bytes(with_another_byte(weights.read_bytes()))
    messages = []

    assert last_checkpoint(tmp_path, messages.append) is None
    assert [f"{weights} is damaged"] * 2 == [sentence.partition(":")[0] for sentence in messages]


def test_the_log_has_what_nobody_was_told(stage, tmp_path, caplog):
    """Without a receiver a warning is logged."""
    (tmp_path / "checkpoint-3").mkdir()

    assert last_checkpoint(tmp_path) is None
    assert ["checkpoint-3 was not written to its end; training does not go on"] == [
        message[message.index("checkpoint-3 was") :].partition(" from")[0] for message in caplog.messages
    ]


def test_trees_come_back_as_they_went(tmp_path):
    """Nested, with integer keys, tuples, and every plain type."""
    tree = {
        "a": [1, 2.5, None, True, "x"],
        3: (torch.arange(3), ()),
        "deep": {"empty": {}, "t": torch.tensor(1e-300, dtype=torch.float64)},
    }
    save_tree(tmp_path / "tree.safetensors", tree)
    loaded = load_tree(tmp_path / "tree.safetensors")

    assert tree["a"] == loaded["a"]
    assert loaded["a"][3] is True
    assert torch.equal(tree[3][0], loaded[3][0])
    assert loaded[3][1] == ()
    assert loaded["deep"]["empty"] == {}
    assert torch.equal(tree["deep"]["t"], loaded["deep"]["t"])


def test_trees_refuse_objects(tmp_path):
    """Objects are refused, not pickled."""
    with pytest.raises(TypeError, match=r"^a checkpoint holds tensors and plain values only, not object$"):
        save_tree(tmp_path / "tree.safetensors", {"a": object()})


def test_metrics_that_are_not_finite(stage):
    """A metric that is not finite is an error that names it and the step."""
    with pytest.raises(NonFiniteError, match=r"^the validated metric 'eval_ndcg@10' is nan at step 3$"):
        fit(stage.trainer(validate=lambda _: {"ndcg@10": float("nan")}))


def test_metrics_that_lack_the_one_selected_by(stage):
    """A missing selection metric is an error at the first evaluation, not after training."""
    with pytest.raises(
        ConfigurationError, match=r"^metric_for_best_model is 'ndcg@10', which validate does not give \(hr\)"
    ):
        fit(stage.trainer(validate=lambda _: {"hr": 0.1}))


def test_evaluating_without_metrics(stage):
    """A trainer without ``validate`` cannot evaluate."""
    with pytest.raises(ConfigurationError, match=r"^evaluate\(\) needs metrics: give the trainer a function validate"):
        stage.trainer().evaluate()


def test_more_processes_than_before(stage, tmp_path):
    """A process with draws of its own that a checkpoint knows nothing of begins with random numbers of its own, the same each time."""
    trained(stage, tmp_path)
    checkpoint = last_checkpoint(tmp_path)
    trainer = stage.trainer(folder=tmp_path)
    drawn = {}
    for rank in (0, 1, 2, 1):
        trainer.stream = rank
        trainer._load_rng_state(str(checkpoint))
        numbers = torch.rand(4)
        assert torch.equal(drawn.setdefault(rank, numbers), numbers)

    assert len({tuple(numbers.tolist()) for numbers in drawn.values()}) == 3


def test_a_checkpoint_without_its_state(stage, tmp_path):
    """The message names the missing file, and nothing is to be removed."""
    trainer, _ = trained(stage, tmp_path)
    checkpoint = last_checkpoint(tmp_path)
    (checkpoint / "training.safetensors").unlink()
    with pytest.raises(
        DataError, match=r"training.safetensors is not there: training cannot go on .*; resume from another"
    ):
        trainer.train(resume_from_checkpoint=str(checkpoint))
