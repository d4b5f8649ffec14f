"""Costs estimated from a config equal those of the real model."""

import json
import struct

import pytest
import torch
from students.tiny_families import tiny_config, tiny_teacher

from shortstack.config.budget import Budget
from shortstack.contracts import Selection
from shortstack.errors import UnsupportedModelError
from shortstack.models.parameters import count_parameters
from shortstack.planning.costs import costs_of
from shortstack.planning.latency import measured_latency
from shortstack.planning.plan import plan
from shortstack_students.layer_subset import LayerSubset

FAMILIES = ["bloom", "deepseek_v3", "falcon", "gemma2", "gpt2", "llama", "mixtral", "nemotron_h", "opt", "qwen3_next"]


def header(path):
    """Return the size of a safetensors header, with the eight bytes of its length, and the number of tensors."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        tensors = json.loads(file.read(length))
    return 8 + length, sum(1 for name in tensors if name != "__metadata__")


@pytest.mark.parametrize("family", FAMILIES)
def test_bytes_on_disk_are_those_of_the_file(family, tmp_path):
    """Bytes on disk are exact, the header excluded; ties and kept buffers included."""
    teacher = tiny_teacher(family)
    teacher.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"

    assert costs_of(teacher.config, dtype=torch.float32)["bytes"].teacher == file.stat().st_size - header(file)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_cache_grows_as_it_was_told(family):
    """Cache growth from one token to two equals the estimate, layer by layer, in a real model."""
    teacher, sizes = tiny_teacher(family), []
    for tokens in (1, 2):
        ids = torch.full((1, tokens), 5)
        with torch.no_grad():
            layers = teacher(input_ids=ids, use_cache=True).past_key_values.layers
        sizes.append([sum(v.nbytes for v in vars(layer).values() if isinstance(v, torch.Tensor)) for layer in layers])

    grown = [after - before for before, after in zip(*sizes, strict=True)]
    assert list(costs_of(teacher.config, dtype=torch.float32)["cache_bytes"].layers) == grown


def test_half_precision_takes_half():
    """Half precision halves disk and cache sizes; the number of parameters is the same."""
    config = tiny_config("llama")
    wide, narrow = costs_of(config, dtype=torch.float32), costs_of(config, dtype=torch.bfloat16)

    assert wide["parameters"] == narrow["parameters"]
    for measure in ("bytes", "cache_bytes"):
        assert wide[measure].teacher == 2 * narrow[measure].teacher


def test_a_cache_that_shapes_do_not_tell():
    """DBRX looks at which expert got how many tokens; all else is known."""
    assert set(costs_of(tiny_config("dbrx"))) == {"parameters", "body_parameters", "bytes"}


@pytest.mark.parametrize("family", ["llama", "gemma2", "qwen2_moe", "gpt2"])
def test_a_plan_is_what_the_student_will_cost(family):
    """Each row of the plan equals a count on the student's own config."""
    config = tiny_config(family)
    rows = plan(config, [Budget(keep_ratio=0.5), Budget(parameters="70%"), Budget(bytes="60%")], LayerSubset())
    for row in rows[1:]:
        student = LayerSubset().shrink(config, Selection(kept=row.kept, of=row.of))
        assert row.costs == {name: cost.teacher for name, cost in costs_of(student).items()}
        assert row.costs["parameters"] == count_parameters(student).total
    assert rows[2].shares["parameters"] <= 0.7
    assert rows[3].shares["bytes"] <= 0.6


def test_an_8_b_llama_is_counted_exactly():
    """The published 8,030,261,248 parameters; 2 · 32 layers · 8 heads · 128 · 2 bytes of cache a token."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        dtype="bfloat16",
    )
    teacher, quarter = plan(config, [Budget(keep_ratio=0.25)], LayerSubset())

    assert teacher.costs["parameters"] == 8_030_261_248
    assert teacher.costs["cache_bytes"] == 131_072
    assert teacher.costs["bytes"] == 2 * 8_030_261_248
    assert len(quarter.kept) == 8
    assert quarter.costs["parameters"] == 8_030_261_248 - 24 * 218_112_000
    assert quarter.alike


def test_a_config_of_no_causal_model():
    """A config of no causal model, here an image model, is refused."""
    from transformers import ViTConfig

    with pytest.raises(UnsupportedModelError, match="no causal language model is made of a config of type 'vit'"):
        costs_of(ViTConfig())


def test_latency_is_shared_out_among_the_layers(teacher_of_layers):
    """Every layer takes time; twice the layers take more; per user, a batch is cheaper than one by one."""
    batch = {"input_ids": torch.full((3, 8), 5), "attention_mask": torch.ones(3, 8, dtype=torch.long)}
    few, many = (measured_latency(teacher_of_layers(layers), batch, 16) for layers in (2, 12))

    assert len(many.layers) == 12
    assert min(many.layers) > 0
    assert many.fixed >= 0
    assert many.teacher > few.teacher
    assert measured_latency(teacher_of_layers(2), batch, 1).teacher > few.teacher


@pytest.fixture
def teacher_of_layers():
    """A tiny Llama of so many layers."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"vocab_size": 64, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
    return lambda layers: LlamaForCausalLM(LlamaConfig(num_hidden_layers=layers, **sizes)).eval()
