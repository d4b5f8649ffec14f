"""Widths of a mixture of experts that torch cannot multiply: one line says so, and blames no plugin."""

import pytest
import torch
from transformers import MixtralConfig, MixtralForCausalLM

from shortstack import build_student
from shortstack.config.training import FitSettings
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.errors import PluginError, UnsupportedModelError
from shortstack.importance.measure import measure_importance
from shortstack.registry.isolation import plugin_errors

MESSAGE = (
    "torch multiplies the matrices of experts only where each of their rows takes a multiple of 16 bytes (8 numbers of bfloat16 or "
    "float16, 4 of float32), and this model's do not; load it in float32 if hidden_size and the experts' width are multiples of 4, or "
    "take ones that are multiples of 8"
)
TOKENS = torch.arange(12).reshape(2, 6)
BATCHES = [{"input_ids": TOKENS, "attention_mask": torch.ones_like(TOKENS), "labels": TOKENS}]


def mixture(hidden=12, experts=24, dtype=torch.bfloat16):
    """Two layers of four experts."""
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8}
    config = MixtralConfig(vocab_size=40, hidden_size=hidden, intermediate_size=experts, num_local_experts=4, **sizes)
    return MixtralForCausalLM(config).to(dtype).eval()


def distilled(model):
    """Train it for a step on its labels, in its own type."""
    examples = [{name: tensor[row] for name, tensor in BATCHES[0].items()} for row in range(len(TOKENS))]
    arguments = training_arguments(
        "unused", FitSettings(steps=1, batch_size=2, warmup_steps=0), seed=0, device="cpu", validated=False
    )
    return DistillationTrainer(model, arguments, examples, losses={"labels": 1.0}, half_weights=True).train()


WORK = {
    "scores": lambda model: measure_importance(model, BATCHES, {"fisher": {}, "block-influence": {}}),
    "a student": lambda model: build_student(model, [0]),
    "distillation": distilled,
}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize(
    "model", [mixture(), mixture(16, 20), mixture(20, 24)], ids=["hidden 12", "experts 20", "hidden 20"]
)
def test_rows_that_are_no_multiples_of_16_bytes(tmp_path, monkeypatch, work, model):
    """In half precision, whichever of the two widths it is."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsupportedModelError) as caught:
        WORK[work](model)

    assert str(caught.value) == MESSAGE


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("model", [mixture(dtype=torch.float32), mixture(16, 24)], ids=["float32", "multiples of 8"])
def test_the_ways_out(tmp_path, monkeypatch, work, model):
    """Both that the message names."""
    monkeypatch.chdir(tmp_path)
    WORK[work](model)


def test_other_errors_keep_their_plugin():
    """Torch's other refusals are the plugin's."""
    with pytest.raises(PluginError, match="strides should be positive"), plugin_errors("student architecture x"):
        raise RuntimeError("strides should be positive")
