"""Trainings on ``attention-relations``: students of other families and widths, and what the gradient reaches."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from shortstack.config.training import FitSettings
from shortstack.distillation.fitting import fit

SIZES = {
    "vocab_size": 13, "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 6,
    "num_key_value_heads": 2, "max_position_embeddings": 16, "pad_token_id": 0, "bos_token_id": None,
    "eos_token_id": None, "initializer_range": 0.3,
}  # fmt: skip
STUDENTS = {
    "llama": SIZES,
    "qwen3": {**SIZES, "head_dim": 8},
    "gpt2": {
        "vocab_size": 13, "n_embd": 24, "n_head": 6, "n_layer": 2, "n_positions": 16, "bos_token_id": None,
        "eos_token_id": None, "initializer_range": 0.3,
    },
    "phi3": SIZES,
    "gpt_neox": {k: v for k, v in SIZES.items() if k != "num_key_value_heads"},
    "mixtral": {**SIZES, "num_local_experts": 3, "num_experts_per_tok": 2, "experts_implementation": "eager"},
}  # fmt: skip
LOSSES = {"attention-relations": 1.0}


def student_of(family):
    """Return a student of another width and other heads than the teacher's 16 and 2, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **STUDENTS[family])).eval()


@pytest.mark.parametrize("family", STUDENTS)
def test_twenty_steps_lower_it(stage, family):
    """A student of any family learns a llama's relations, whatever the widths and heads of both."""
    settings = FitSettings(steps=20, batch_size=24, warmup_steps=0, evaluate_every=1, learning_rate=1e-2)
    history = fit(stage.trainer(student=student_of(family), settings=settings, losses=LOSSES))
    values = [record["loss/attention-relations"] for record in history if "loss/attention-relations" in record]

    assert values[-1] < 0.8 * values[0]
    assert values[-1] > 0


def test_what_the_gradient_reaches(stage):
    """The last layer's queries, keys and values and all before them; not what lies behind, nor the teacher."""
    student, teacher = stage.tiny(2, seed=1), stage.tiny(4)
    student.lm_head.weight = torch.nn.Parameter(student.lm_head.weight.detach().clone())
    settings = FitSettings(steps=1, batch_size=16, warmup_steps=0, max_grad_norm=0.0)
    trainer = stage.trainer(student=student, teacher=teacher, settings=settings, losses=LOSSES)
    batch = {name: torch.stack([row[name] for row in stage.examples]) for name in stage.examples[0]}
    trainer.compute_loss(trainer.model, batch).backward()
    reached = {name for name, p in student.named_parameters() if p.grad is not None and p.grad.any()}
    last, others = "model.layers.1.", {name for name, _ in student.named_parameters() if "layers.1" not in name}

    assert {n for n in reached if n.startswith(last)} == {
        f"{last}{name}.weight"
        for name in ("input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    }
    assert others - {"lm_head.weight", "model.norm.weight"} == {n for n in reached if not n.startswith(last)}
    assert all(p.grad is None for p in teacher.parameters())


def test_frozen_attention_is_refused(stage):
    """A loss on attention without gradients would teach nothing, silently."""
    student = stage.tiny(2, seed=1)
    student.model.requires_grad_(requires_grad=False)
    student.lm_head.weight = torch.nn.Parameter(student.lm_head.weight.detach().clone())
    with pytest.raises(
        ValueError, match=r"^no layer of LlamaForCausalLM passes .* a loss on its attention would teach"
    ):
        stage.trainer(student=student, losses=LOSSES).train()


def test_all_losses_at_once(stage):
    """One pass of each model gives logits, states and attention together; each loss is the one that it is alone."""
    settings = FitSettings(steps=1, batch_size=24, warmup_steps=0, evaluate_every=1)
    together = fit(stage.trainer(settings=settings, losses={**stage.losses, **LOSSES}))[0]
    for name, table in {**stage.losses, **LOSSES}.items():
        alone = fit(stage.trainer(settings=settings, losses={name: table}, folder=stage.folder / name))[0]
        assert pytest.approx(alone[f"loss/{name}"], rel=1e-6) == together[f"loss/{name}"]
