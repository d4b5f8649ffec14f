"""A student learns the same from a cache of the teacher's final states as from the teacher itself."""

import copy
import json

import pytest
import torch
from students.tiny_families import tiny_teacher

from shortstack.config.training import FitSettings
from shortstack.distillation import teacher_cache
from shortstack.distillation.model_outputs import OutputReader
from shortstack.distillation.teacher_cache import CachedTeacher, TeacherCache, write_teacher_cache
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.errors import ConfigurationError, DataError, UnsupportedModelError
from shortstack.models.candidates import supervision
from shortstack.tasks import collate

LOSSES = {"labels": 1.0, "soft-targets": {"weight": 2.0, "temperature": 3.0}}
TOKENS = [5, 6, 7, 8, 9, 4]
EXAMPLES = [{"input_ids": TOKENS[:n], "labels": [-100, *TOKENS[1:n]]} for n in (6, 3, 5, 2, 6, 4, 1)]
CANDIDATES = torch.tensor([7, 3, 21, 4, 5, 6, 8, 9])


def plain(examples):
    """Return examples as lists, without the masks that collate makes."""
    return [
        {name: row[name][row["attention_mask"].bool()].tolist() for name in ("input_ids", "labels")} for row in examples
    ]


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "cohere", "bert", "opt"])
def test_cached_logits_are_the_teachers(tmp_path, family):
    """In the batches that the cache was written in they are equal bit for bit; tied and untied heads, caps, transforms."""
    model = tiny_teacher(family)
    cache = write_teacher_cache(tmp_path / "cache", model, EXAMPLES, collate=collate, batch_size=len(EXAMPLES))
    order = sorted(range(len(EXAMPLES)), key=lambda index: len(EXAMPLES[index]["input_ids"]))
    batch = collate([EXAMPLES[index] for index in order])
    positions, targets = supervision(batch["labels"])

    with torch.no_grad():
        reader = OutputReader(model=model, layers=(), candidates=CANDIDATES, logits=True, states=False, attention=False)
        live = reader(batch["input_ids"], batch["attention_mask"], positions).logits_of(slice(None))
        cached = CachedTeacher(cache, CANDIDATES, torch.device("cpu"))(torch.tensor(order), len(targets))

    assert torch.equal(cached.logits_of(slice(None)), live)
    body = teacher_cache.body_of(cache.teacher)
    assert all(parameter.is_meta for name, parameter in body.named_parameters() if "embed" not in name)


def trained(stage, teacher, *, steps=6, folder=None, **changed):
    """Train a student on the logits of a teacher, and return its weights and losses."""
    student = stage.tiny(2, seed=1).double()
    trainer = stage.trainer(
        student=student,
        teacher=teacher,
        losses=LOSSES,
        train_dataset=plain(stage.examples),
        data_collator=collate,
        settings=FitSettings(steps=steps, batch_size=8, warmup_steps=0, evaluate_every=3),
        **({} if folder is None else {"folder": folder}),
        **changed,
    )
    trainer.train()
    return student.state_dict(), [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_training_is_the_same(stage, tmp_path):
    """Three epochs of float64 from the cache and from the teacher end at the same weights."""
    teacher = stage.tiny(4).double()
    cache = write_teacher_cache(tmp_path / "cache", teacher, plain(stage.examples), collate=collate, batch_size=5)
    live, live_losses = trained(stage, teacher, steps=9, folder=tmp_path / "live")
    cached, cached_losses = trained(stage, TeacherCache.open(cache.folder), steps=9, folder=tmp_path / "cached")
    assert live_losses == pytest.approx(cached_losses, rel=1e-9)
    for name, weight in live.items():
        torch.testing.assert_close(cached[name], weight, rtol=0, atol=1e-9)


def test_an_interrupted_writing_goes_on(monkeypatch, tmp_path):
    """What was written before is not computed again, and the cache is the same, byte for byte."""
    monkeypatch.setattr(teacher_cache, "_MARKED_EVERY", 2)
    model = tiny_teacher("llama")
    whole = write_teacher_cache(tmp_path / "whole", model, EXAMPLES, collate=collate, batch_size=1)

    class Killed(BaseException):
        pass

    def stop(batches):
        if batches == 5:
            raise Killed

    with pytest.raises(Killed):
        write_teacher_cache(tmp_path / "parts", model, EXAMPLES, collate=collate, batch_size=1, step=stop)
    with pytest.raises(DataError, match="is no complete cache"):
        TeacherCache.open(tmp_path / "parts")
    computed = []
    parts = write_teacher_cache(
        tmp_path / "parts", model, EXAMPLES, collate=collate, batch_size=1, step=computed.append
    )

    assert computed == [5, 6, 7]
    assert (parts.folder / "states.bin").read_bytes() == (whole.folder / "states.bin").read_bytes()
    assert torch.equal(parts.states, whole.states)


def test_a_finished_cache_is_not_written_again(tmp_path):
    """The second call computes nothing."""
    model, computed = tiny_teacher("llama"), []
    for _ in range(2):
        write_teacher_cache(tmp_path / "cache", model, EXAMPLES, collate=collate, step=computed.append)
    assert computed == [1]


def test_bfloat16_is_stored_in_two_bytes(tmp_path):
    """In bfloat16 arithmetic the states take half the room, and the logits are those of the teacher in that type."""
    model = tiny_teacher("llama")
    cache = write_teacher_cache(tmp_path / "cache", model, EXAMPLES, collate=collate, batch_size=7, bfloat16=True)
    size = (cache.folder / "states.bin").stat().st_size
    assert size == teacher_cache.bytes_of(int(cache.starts[-1]), 32, bfloat16=True) == 2 * cache.states.numel()


def test_other_examples_are_refused(stage, tmp_path):
    """A cache of other data, in content or in number, is refused before training."""
    teacher, examples = stage.tiny(4), plain(stage.examples)
    cache = write_teacher_cache(tmp_path / "cache", teacher, examples, collate=collate)
    changed = [dict(examples[0], input_ids=[*reversed(examples[0]["input_ids"])]), *examples[1:]]
    for others in (changed, examples[:-1]):
        with pytest.raises(ConfigurationError, match="holds the teacher's states for other examples; write one"):
            stage.trainer(teacher=cache, losses=LOSSES, train_dataset=others, data_collator=collate)


def test_a_loss_on_states_is_refused(stage, tmp_path):
    """A cache holds no states of layers, and the message names the loss and the way out."""
    cache = write_teacher_cache(tmp_path / "cache", stage.tiny(4), plain(stage.examples), collate=collate)
    with pytest.raises(ConfigurationError, match=r"'hidden-states' needs the teacher's states, .*cache = .off"):
        stage.trainer(teacher=cache, train_dataset=plain(stage.examples), data_collator=collate)


def test_a_damaged_cache_is_refused(tmp_path):
    """One changed bit of the states is found when they are opened."""
    cache = write_teacher_cache(tmp_path / "cache", tiny_teacher("llama"), EXAMPLES, collate=collate)
    path = cache.folder / "states.bin"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"states\.bin .*; remove .*, and write the cache again"):
        TeacherCache.open(cache.folder)


@pytest.mark.parametrize("size", [0, 4, 100])
def test_a_truncated_cache_is_refused(tmp_path, size):
    """The message names the file and both sizes."""
    cache = write_teacher_cache(tmp_path / "cache", tiny_teacher("llama"), EXAMPLES, collate=collate)
    path = cache.folder / "states.bin"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(
        DataError, match=r"states\.bin is damaged: it has [\d,]+ bytes, and was written with [\d,]+; remove"
    ):
        TeacherCache.open(cache.folder)


def test_teachers_whose_final_states_are_not_enough(tmp_path):
    """A family without such a head, and one whose head does more than its stored weights, are refused by name."""
    hooked = copy.deepcopy(tiny_teacher("llama"))
    hooked.lm_head.register_forward_hook(lambda _module, _inputs, logits: 2 * logits)
    for number, model in enumerate((tiny_teacher("prophetnet"), hooked)):
        with pytest.raises(UnsupportedModelError, match=r'so a cache of .* no use; train with cache = "off"'):
            write_teacher_cache(tmp_path / str(number), model, EXAMPLES, collate=collate)
        assert not (tmp_path / str(number) / "cache.json").exists()


def test_the_teacher_of_another_vocabulary(stage, tmp_path):
    """The cached head is checked as a teacher is."""
    cache = write_teacher_cache(
        tmp_path / "cache", stage.tiny(4, vocabulary=15), plain(stage.examples), collate=collate
    )
    with pytest.raises(ConfigurationError, match="the teacher's vocabulary has 15 tokens and the student's 13"):
        stage.trainer(teacher=cache, losses=LOSSES, train_dataset=plain(stage.examples), data_collator=collate)


def test_resuming_from_the_cache_is_exact(stage, tmp_path):
    """A training that is interrupted and resumed equals an uninterrupted one, bit for bit."""
    cache = write_teacher_cache(tmp_path / "cache", stage.tiny(4), plain(stage.examples), collate=collate)
    whole, _ = trained(stage, cache, steps=6, folder=tmp_path / "whole")
    checkpoint = tmp_path / "whole" / "checkpoint-3"
    student = stage.tiny(2, seed=1).double()
    trainer: DistillationTrainer = stage.trainer(
        student=student,
        teacher=TeacherCache.open(cache.folder),
        losses=LOSSES,
        train_dataset=plain(stage.examples),
        data_collator=collate,
        folder=tmp_path / "again",
    )
    trainer.train(resume_from_checkpoint=str(checkpoint))
    assert json.loads((checkpoint / "trainer_state.json").read_text())["global_step"] == 3
    for name, weight in student.state_dict().items():
        assert torch.equal(weight, whole[name])


def test_a_stored_head_is_converted_once(stage, tmp_path):
    """In bfloat16 its rows are converted when it is made, not for every chunk of positions."""
    write_teacher_cache(tmp_path / "cache", stage.tiny(4), plain(stage.examples), collate=collate)
    settings = FitSettings(steps=1, batch_size=8, warmup_steps=0, evaluate_every=1, precision="bfloat16")
    trainer = stage.trainer(
        teacher=TeacherCache.open(tmp_path / "cache"),
        losses=LOSSES,
        settings=settings,
        train_dataset=plain(stage.examples),
        data_collator=collate,
    )
    trainer.train()

    assert {rows.dtype for rows in trainer._teacher.cached._head.weights} == {torch.bfloat16}
