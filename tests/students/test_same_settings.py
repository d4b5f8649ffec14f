"""A student computes the teacher's function: a config that changes it is refused, for every architecture."""

import attrs
import pytest
import torch
from students.tiny_families import tiny_teacher
from transformers import MptConfig, MptForCausalLM

from shortstack.errors import PluginError, ProofError
from shortstack.models.decoder import Decoder
from shortstack_students.compact import Compact, CompactSettings
from shortstack_students.layer_subset import LayerSubset


@attrs.frozen
class Careless:
    """Keeps layers as they should be, under a config of its own; its weights are copied without a further look."""

    change: object

    def shrink(self, config, selection):
        """Return the changed config."""
        student = LayerSubset().shrink(config, selection)
        self.change(student)
        return student

    def count_parameters(self, config):
        """Count as ``layer-subset`` does."""
        return LayerSubset().count_parameters(config)

    def transfer(self, teacher, student, selection, calibration):
        """Copy the rows that fit, and fill the others with zeros."""
        del calibration
        sources, targets = teacher.state_dict(), student.state_dict()
        path = f"{Decoder.of(teacher).path}."
        copies = {}
        for name in targets:
            index, _, rest = name.removeprefix(path).partition(".")
            source = f"{path}{selection.kept[int(index)]}.{rest}" if name.startswith(path) else name
            copies[name] = source
            rows = sources[source][: len(targets[name])]
            targets[name][: len(rows)] = rows
            targets[name][len(rows) :] = 0
        return copies


def rope(**changes):
    """Return a change of the rotary parameters."""

    def change(config):
        config.rope_parameters = {**config.rope_parameters, **changes}

    return change


def field(name, value):
    """Return a change of a field."""
    return lambda config: setattr(config, name, value)


WRONG = {
    "rotary base": (
        "llama",
        {},
        rope(rope_theta=500_000.0),
        r"rope_parameters\.rope_theta is 500000\.0 instead of 10000\.0",
    ),
    "rotary kind": (
        "llama",
        {},
        rope(rope_type="linear", factor=2.0),
        r"rope_parameters\.rope_type is 'linear' instead of",
    ),
    "epsilon": ("llama", {}, field("rms_norm_eps", 1e-5), "rms_norm_eps is 1e-05 instead of 1e-06"),
    "activation": ("llama", {}, field("hidden_act", "gelu"), "hidden_act is 'gelu' instead of 'silu'"),
    "vocabulary": ("llama", {}, field("vocab_size", 72), "the vocabulary has 72 tokens instead of 64"),
    "positions": ("llama", {}, field("max_position_embeddings", 32), "max_position_embeddings is 32 instead of 64"),
    "window": (
        "mistral",
        {"sliding_window": 4096},
        field("sliding_window", 2048),
        "sliding_window is 2048 instead of 4096",
    ),
    "soft cap": (
        "gemma2",
        {},
        field("final_logit_softcapping", 20.0),
        r"final_logit_softcapping is 20\.0 instead of 30\.0",
    ),
    "multiplier": ("granite", {}, field("residual_multiplier", 0.9), r"residual_multiplier is 0\.9 instead of 1\.0"),
    "experts": (
        "mixtral",
        {"num_local_experts": 4, "num_experts_per_tok": 2},
        field("num_experts_per_tok", 1),
        "num_experts_per_tok is 1 instead of 2",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_another_function_is_refused(teacher_of, build, kind):
    """All weights are copies, and a prompt of eight tokens often shows nothing: the config is looked at itself."""
    family, fields, change, message = WRONG[kind]
    with pytest.raises(
        (ProofError, PluginError), match=f"the student's config is another than the teacher's: .*{message}"
    ):
        build(teacher_of(family, **fields), [0, 2, 5], Careless(change))


HARMLESS = {
    "attention_dropout": 0.1,
    "eos_token_id": 5,
    "initializer_range": 0.5,
    "use_cache": False,
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_part_of_the_function(teacher, build, name):
    """An architecture may train and generate its students otherwise."""
    student = build(teacher, [0, 2, 5], Careless(field(name, HARMLESS[name])))

    assert student.config.to_dict()[name] == HARMLESS[name]


def test_a_dtype_within_the_config(build):
    """A teacher that was made from a config has none in the config's own config; its student has."""
    torch.manual_seed(0)
    sizes = {"d_model": 32, "n_heads": 4, "n_layers": 6, "max_seq_len": 64, "vocab_size": 64}
    teacher = MptForCausalLM(MptConfig(**sizes)).eval()
    student = build(teacher, [0, 2, 5])

    assert teacher.config.attn_config.dtype is None
    assert torch.equal(
        student.transformer.blocks[1].ffn.up_proj.weight, teacher.transformer.blocks[2].ffn.up_proj.weight
    )


@pytest.mark.parametrize("family", ["llama", "gemma", "qwen3", "phi3"])
def test_narrower_is_another_size(build, family):
    """Sizes that tensors have may differ."""
    teacher = tiny_teacher(family)
    half = CompactSettings(hidden_size=0.5, key_value_heads=0.5, intermediate_size=0.5, channels="random")

    assert build(teacher, [0, 2, 5], Compact(half)).config.hidden_size == teacher.config.hidden_size // 2


def test_heads_that_no_tensor_shows(teacher_of, build):
    """GPT-2's matrices are as large with eight heads as with four."""
    with pytest.raises((ProofError, PluginError), match="n_head is 8 instead of 4"):
        build(teacher_of("gpt2"), [0, 2, 5], Careless(field("n_head", 8)))


def test_layers_may_say_what_they_are(teacher_of, build):
    """Lists, thresholds and flags about layers are renewed with them."""
    types = ["sliding_attention", "full_attention"] * 3
    student = build(teacher_of("qwen3", layer_types=types, sliding_window=4, use_sliding_window=True), [1, 2, 3])
    folded = build(teacher_of("gpt2", scale_attn_by_inverse_layer_idx=True), [1, 2, 3])
    sparse = build(
        teacher_of("qwen2_moe", decoder_sparse_step=2, mlp_only_layers=[3], num_experts=4, moe_intermediate_size=16),
        [0, 2],
    )

    assert student.config.layer_types == ["full_attention", "sliding_attention", "full_attention"]
    assert not folded.config.scale_attn_by_inverse_layer_idx
    assert sparse.config.mlp_only_layers == [0, 1]
    assert torch.isfinite(sparse(input_ids=torch.arange(3, 9)[None]).logits).all()
