"""Training that divides model, gradients and optimiser among processes (FSDP2) gives the weights of one process."""

import pytest
import torch
from processes.several import in_processes
from processes.test_training import LOSSES, Stopping, apart, examples
from transformers import AutoConfig, AutoModelForCausalLM

import shortstack_losses
from shortstack import Registry
from shortstack.config.training import FitSettings
from shortstack.contracts import Selection
from shortstack.distillation.callbacks import RowsLearnFaster, RowsStay
from shortstack.distillation.fitting import fit
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.models.candidates import candidate_logits
from shortstack.models.sharding import is_sharded, whole_copy
from shortstack.registry import Origin
from shortstack.tasks import collate

WIDE = {"vocab_size": 13, "hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 12}
FAMILIES = {
    "llama": {**WIDE, "tie_word_embeddings": False},
    "qwen3": {**WIDE, "head_dim": 4, "tie_word_embeddings": True},
    "gpt2": {
        "vocab_size": 13,
        "n_embd": 8,
        "n_head": 2,
        "n_positions": 16,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
    },
    "mixtral": {**WIDE, "num_local_experts": 4, "num_experts_per_tok": 1},
}


def tiny(family, layers, dtype=torch.float64):
    """Return a seeded model."""
    torch.manual_seed(layers)
    config = AutoConfig.for_model(family, num_hidden_layers=layers, initializer_range=0.3, **FAMILIES[family])
    # the fused products of experts take no float64
    return AutoModelForCausalLM.from_config(config, experts_implementation="eager").to(dtype).eval()


@torch.no_grad()
def log_probability(model):
    """Return the mean log-probability of the examples, as a metric."""
    batch = collate(examples(8))
    logits = candidate_logits(model, batch["input_ids"], batch["attention_mask"], batch["labels"] >= 0, None)
    return {"fit": float(logits.log_softmax(-1).mean())}


def trained(world, folder, family, parallel, changed=None, stop=0, dtype=torch.float64):
    """Distil, with a learning rate of the items' own and one row that stays; save; return the history."""
    usual = {"steps": 20, "batch_size": 7, "warmup_steps": 2, "learning_rate": 0.01, "evaluate_every": 5}
    settings = FitSettings(**{**usual, **(changed or {})}, parallel=parallel)
    registry = Registry()
    registry.register(shortstack_losses, Origin("shortstack", "losses", "0.1.0"))
    student = tiny(family, 2, dtype)
    head, embeddings = student.get_output_embeddings(), student.get_input_embeddings()
    holders = [embeddings] if head.weight is embeddings.weight else [embeddings, head]
    trainer = DistillationTrainer(
        student,
        training_arguments(folder, settings, seed=0, device="cpu", validated=True, metric="fit"),
        examples(24),
        losses=LOSSES,
        teacher=tiny(family, 4, dtype),
        selection=Selection(kept=(0, 2), of=4),
        candidates=torch.arange(1, 13),
        registry=registry,
        balancing="ema",
        data_collator=collate,
        validate=log_probability,
        callbacks=[
            RowsLearnFaster(holders, torch.arange(5, 12), 3.0),
            RowsStay(holders, torch.tensor([2, 12])),
            Stopping(stop),
        ],
        embedding_dropout=0.3,
        shared_batch=True,
    )
    history = [{name: value for name, value in record.items() if name != "seconds"} for record in fit(trainer)]
    whole = whole_copy(student) if is_sharded(student) else student
    if world.is_first:
        whole.save_pretrained(folder / "export")
    return history


def exported(folder):
    """Return the weights that stock transformers loads."""
    return dict(AutoModelForCausalLM.from_pretrained(folder / "export", dtype="auto").named_parameters())


@pytest.mark.full
@pytest.mark.parametrize("family", FAMILIES)
def test_the_weights_of_one(tmp_path, family):
    """After 20 steps in float64 the exported weights agree to 1e-9, and losses and validated metrics to 1e-6."""
    (alone,) = in_processes(1, trained, tmp_path / "1", family, "ddp")
    for course in in_processes(2, trained, tmp_path / "2", family, "fsdp"):
        for ours, theirs in zip(alone, course, strict=True):
            assert theirs == pytest.approx(ours, rel=1e-6)  # transformers logs in float32
    weights, others = exported(tmp_path / "1"), exported(tmp_path / "2")

    assert weights.keys() == others.keys()
    assert apart(weights, others) < 1e-9
    assert apart(weights, dict(tiny(family, 2).named_parameters())) > 0.05
    assert "fit" in alone[-1]
    files = [sorted(path.name for path in (tmp_path / number / "export").iterdir()) for number in "12"]
    assert files[0] == files[1]


@pytest.mark.full
def test_in_parts(tmp_path):
    """Micro-batches, and layers that are computed again on the way back, change nothing."""
    settings = {"batch_size": 8, "accumulate": 2, "gradient_checkpointing": True}
    in_processes(1, trained, tmp_path / "1", "llama", "ddp", settings)
    in_processes(2, trained, tmp_path / "2", "llama", "fsdp", settings)

    assert apart(exported(tmp_path / "1"), exported(tmp_path / "2")) < 1e-9


@pytest.mark.full
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_in_bfloat16(tmp_path, family):
    """Arithmetic in bfloat16 and weights in float32: those of two processes that each hold the whole model."""
    ways = {"exact": (1, "ddp", "float32"), "whole": (2, "ddp", "bfloat16"), "divided": (2, "fsdp", "bfloat16")}
    for name, (processes, parallel, precision) in ways.items():
        settings = {"precision": precision}
        in_processes(processes, trained, tmp_path / name, family, parallel, settings, 0, torch.float32)
    weights = {name: exported(tmp_path / name) for name in ways}

    assert {tensor.dtype for one in weights.values() for tensor in one.values()} == {torch.float32}
    assert apart(weights["whole"], weights["divided"]) < 1e-5
    assert apart(weights["whole"], weights["exact"]) > 1e-3


@pytest.mark.full
def test_resumed_by_another_number(tmp_path):
    """Stopped at step 12 with three processes, at step 17 with one, and finished with two: the weights of one alone."""
    in_processes(1, trained, tmp_path / "alone", "qwen3", "ddp")
    first = in_processes(3, trained, tmp_path / "resumed", "qwen3", "fsdp", {}, 12)
    with pytest.raises(KeyError, match="stopped"):
        in_processes(1, trained, tmp_path / "resumed", "qwen3", "fsdp", {}, 17)
    in_processes(2, trained, tmp_path / "resumed", "qwen3", "fsdp")

    assert {"KeyError", "OtherProcessError"} >= {one.kind for one in first}
    assert apart(exported(tmp_path / "alone"), exported(tmp_path / "resumed")) < 1e-9
