"""Training by several processes gives the weights of one, whatever the batch and the part of it that a process has."""

import pytest
import torch
from processes.several import in_processes
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback

import shortstack_losses
from shortstack import Registry
from shortstack.config.training import FitSettings
from shortstack.contracts import Selection
from shortstack.distillation.fitting import fit
from shortstack.distillation.parts import draws_at_random
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.registry import Origin
from shortstack.tasks import collate

LOSSES = {"labels": 1.0, "soft-targets": 1.0, "hidden-states": 0.5}


def tiny(layers, hidden):
    """Return a seeded model in float64."""
    torch.manual_seed(layers)
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "initializer_range": 0.3}
    config = LlamaConfig(vocab_size=13, hidden_size=hidden, intermediate_size=24, num_hidden_layers=layers, **heads)
    return LlamaForCausalLM(config).double().eval()


def examples(count):
    """Return ragged examples, some without labels, so that a mean of the processes' means would differ."""
    draw = torch.Generator().manual_seed(0)
    rows = [torch.randint(1, 13, (2 + n % 5,), generator=draw).tolist() for n in range(count)]
    return [{"input_ids": row, "labels": [-100] * len(row) if n % 4 == 3 else row} for n, row in enumerate(rows)]


def losses_alone():
    """Return a registry of the project's losses."""
    registry = Registry()
    registry.register(shortstack_losses, Origin("shortstack", "losses", "0.1.0"))
    return registry


class Stopping(TrainerCallback):
    """An interruption of all processes after a step."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, _args, state, _control, **_):
        """Interrupt."""
        if state.global_step == self.step:
            raise KeyError("stopped")


def trained(_world, folder, batch, accumulate, stop=0):
    """Return the weights and the history after a training with dropout whose epochs end with a smaller batch."""
    settings = FitSettings(
        steps=20, batch_size=batch, accumulate=accumulate, warmup_steps=2, learning_rate=0.01, evaluate_every=5
    )
    student = tiny(2, 8)
    trainer = DistillationTrainer(
        student,
        training_arguments(folder, settings, seed=0, device="cpu", validated=False),
        examples(24),
        losses=LOSSES,
        teacher=tiny(4, 16),
        selection=Selection(kept=(0, 2), of=4),
        candidates=torch.arange(1, 13),
        registry=losses_alone(),
        balancing="ema",
        data_collator=collate,
        callbacks=[Stopping(stop)],
        embedding_dropout=0.3,
        shared_batch=True,
    )
    history = [{name: value for name, value in record.items() if name != "seconds"} for record in fit(trainer)]
    return {name: parameter.detach() for name, parameter in student.named_parameters()}, history


def apart(first, second):
    """Return the largest difference of two models' weights."""
    return max(float((first[name] - second[name]).detach().abs().max()) for name in first)


@pytest.mark.full
@pytest.mark.parametrize(("batch", "accumulate"), [(7, 1), (12, 2), (2, 1)])
def test_the_weights_of_one(tmp_path, batch, accumulate):
    """After 20 steps in float64 weights agree to 1e-9, and losses to 1e-6 of themselves; epochs end with 3 of 7 examples.

    With a batch of two examples, one process of three has none, and takes part with one that counts for nothing.
    """
    (alone,) = in_processes(1, trained, tmp_path / "1", batch, accumulate)
    weights, history = alone
    for size in (2, 3):
        for others, course in in_processes(size, trained, tmp_path / str(size), batch, accumulate):
            assert apart(weights, others) < 1e-9
            for ours, theirs in zip(history, course, strict=True):
                assert theirs == pytest.approx(ours, rel=1e-6)  # transformers logs in float32
    assert len(history) == 4
    assert apart(weights, dict(tiny(2, 8).named_parameters())) > 0.05


@pytest.mark.full
def test_resumed_by_another_number(tmp_path):
    """Stopped at step 12 with three processes, at step 17 with one, and finished with two: the weights of one alone."""
    ((weights, _),) = in_processes(1, trained, tmp_path / "alone", 7, 1)
    first = in_processes(3, trained, tmp_path / "resumed", 7, 1, 12)
    with pytest.raises(KeyError, match="stopped"):
        in_processes(1, trained, tmp_path / "resumed", 7, 1, 17)
    second = in_processes(2, trained, tmp_path / "resumed", 7, 1)

    assert {"KeyError", "OtherProcessError"} >= {one.kind for one in first}
    assert ["checkpoint-15", "checkpoint-20"] == sorted(path.name for path in (tmp_path / "resumed").iterdir())
    assert max(apart(weights, others) for others, _ in second) < 1e-9


def streams(_world, folder, own):
    """Return the number of the random numbers that a process draws in a training."""
    settings = FitSettings(steps=1, batch_size=4, warmup_steps=0, evaluate_every=1)
    student = tiny(2, 8)
    for layer in student.model.layers:
        layer.self_attn.attention_dropout = own
    drawn = torch.get_rng_state()
    broken = tiny(2, 8)
    broken.model.layers[1].forward = lambda *_, **__: torch.rand(1).bad
    assert draws_at_random(broken)
    assert draws_at_random(student) == (own > 0)
    assert torch.equal(drawn, torch.get_rng_state())
    trainer = DistillationTrainer(
        student,
        training_arguments(folder, settings, seed=0, device="cpu", validated=False),
        examples(8),
        losses={"labels": 1.0},
        candidates=torch.arange(1, 13),
        registry=losses_alone(),
        data_collator=collate,
        embedding_dropout=0.3,
        shared_batch=True,
    )
    fit(trainer)
    return trainer.stream


@pytest.mark.parametrize(("own", "expected"), [(0.0, [0, 0]), (0.5, [0, 1])])
def test_random_numbers_of_a_process(tmp_path, own, expected):
    """Dropout of the embeddings is that of one process; a model's own dropout is another one for each part of a batch."""
    assert in_processes(2, streams, tmp_path, own) == expected
