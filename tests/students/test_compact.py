"""``compact``: planned from the config, filled with the teacher's channels, and a stock model that proves itself."""

import copy

import pytest
import torch
from students.tiny_families import tiny_config, tiny_teacher

from shortstack.contracts import Selection
from shortstack.errors import ConfigurationError, EmptyDataError, UnsupportedModelError
from shortstack.models.decoder import Decoder
from shortstack.models.parameters import count_parameters
from shortstack_students.compact import Compact, CompactSettings
from shortstack_students.widths import FAMILIES, Widths, family_of

KEPT = (0, 2, 5)
HALF = {"hidden_size": 0.5, "key_value_heads": 0.5, "intermediate_size": 0.5}


def family_teacher(name, **changes):
    """Return a tiny model; GPT-2 without the scale by depth."""
    config = tiny_config(name)
    if name == "gpt2":
        config.scale_attn_by_inverse_layer_idx = False
    for field, value in changes.items():
        setattr(config, field, value)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_config(config).eval()
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return model


@pytest.fixture
def batches():
    """Eight examples of twelve tokens, the last half padding."""
    ids = torch.randint(3, 64, (8, 12), generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(ids)
    mask[7, 6:] = 0
    return [{"input_ids": ids, "attention_mask": mask, "labels": ids}]


def logits(model, prompt=None):
    """Return the logits of a short prompt."""
    ids = torch.arange(3, 15)[None] if prompt is None else prompt
    with torch.no_grad():
        return model(input_ids=ids, use_cache=False).logits


def narrow(build, teacher, batches, kept=KEPT, **settings):
    """Build a compact student."""
    return build(teacher, kept, Compact(CompactSettings(**settings)), calibration=batches)


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("channels", ["activations", "magnitude", "random"])
def test_every_family_is_narrowed(build, batches, family, channels):
    """The builder's checks pass; sizes are those requested, heads keep their width."""
    teacher = family_teacher(family)
    student = narrow(build, teacher, batches, **HALF, channels=channels)
    whole, left = Widths.of(teacher.config), Widths.of(student.config)

    assert (left.hidden, left.groups, left.mlp) == (whole.hidden // 2, whole.groups // 2, whole.mlp // 2)
    assert (left.head, left.queries) == (whole.head, whole.queries)
    assert logits(student).isfinite().all()
    assert (student.config.tie_word_embeddings, len(Decoder.of(student).layers)) == (
        teacher.config.tie_word_embeddings,
        3,
    )


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_at_full_width_it_is_the_teacher(build, family):
    """Bit for bit, and without calibration examples."""
    teacher = family_teacher(family)

    assert torch.equal(logits(narrow(build, teacher, [], kept=range(6))), logits(teacher))


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "phi3", "gemma"])
def test_dead_channels_are_not_missed(build, batches, family):
    """With half of the channels, heads and neurons zero, in scattered places, the student is the same function."""
    teacher = family_teacher(family, rms_norm_eps=1e-12)  # which would weigh more beside fewer channels
    gone = {"hidden": torch.arange(1, 32, 2), "groups": 1, "mlp": torch.arange(0, 48, 2)}
    _kill(teacher, gone)
    student = narrow(build, teacher, batches, kept=range(6), **HALF)

    torch.testing.assert_close(logits(student), logits(teacher), rtol=1e-4, atol=1e-4)


def _kill(teacher, gone):
    """Zero all weights that write to dead channels, and all that read or make dead neurons and heads."""
    whole = Widths.of(teacher.config)
    table = family_of(teacher.config).axes
    heads = torch.arange(whole.queries * whole.head, 2 * whole.queries * whole.head)
    for name, parameter in teacher.named_parameters():
        axes = next(axes for end, axes in table.items() if f".{name}".endswith(f".{end}"))
        if "embed" in name or name.endswith(("o_proj.weight", "down_proj.weight")):
            parameter.data.index_fill_(axes.index("hidden"), gone["hidden"], 0)
        if name.endswith("o_proj.weight"):
            parameter.data.index_fill_(1, heads, 0)
            parameter.data[:, : heads[0]] *= 3  # the heads that live are the louder ones
        if name.endswith("down_proj.weight"):
            parameter.data.index_fill_(1, gone["mlp"], 0)
        if name.endswith(("gate_proj.weight", "up_proj.weight")):
            parameter.data.index_fill_(0, gone["mlp"], 0)
        if name.endswith("gate_up_proj.weight"):
            parameter.data.index_fill_(0, torch.cat([gone["mlp"], gone["mlp"] + whole.mlp]), 0)
        if name.endswith("v_proj.weight"):
            parameter.data[whole.head :] = 0
        if name.endswith("v_proj.bias"):
            parameter.data[whole.head :] = 0
        if name.endswith("qkv_proj.weight"):
            values = (whole.queries + 1) * whole.groups * whole.head
            parameter.data[values + whole.head :] = 0


def test_the_loudest_stay(build, batches):
    """Neurons, heads and channels whose activations were made ten times as large are the ones that are kept."""
    teacher = family_teacher("llama")
    layer = Decoder.of(teacher).layers[2]
    layer.mlp.up_proj.weight.data[7] *= 100
    layer.self_attn.v_proj.weight.data[8:] *= 100
    teacher.model.norm.weight.data[11] = 100.0
    student = narrow(build, teacher, batches, hidden_size=4, key_value_heads=1, intermediate_size=1)
    new, old = Decoder.of(student).layers[1], layer

    columns = [
        i
        for i in range(32)
        for j in range(4)
        if torch.equal(student.model.embed_tokens.weight[:, j], teacher.model.embed_tokens.weight[:, i])
    ]
    assert 11 in columns
    assert torch.equal(new.mlp.up_proj.weight, old.mlp.up_proj.weight[7:8][:, columns])
    assert torch.equal(new.self_attn.v_proj.weight, old.self_attn.v_proj.weight[8:][:, columns])


def test_padding_does_not_count(build, batches):
    """More masked columns: the same student."""
    teacher = family_teacher("llama")
    wide = [{name: torch.cat([tensor, torch.zeros(8, 4, dtype=torch.long)], 1) for name, tensor in batches[0].items()}]
    plain, other = (narrow(build, teacher, examples, **HALF).state_dict() for examples in (batches, wide))

    assert all(torch.allclose(plain[name], other[name], rtol=1e-5, atol=1e-6) for name in plain)


def test_only_what_is_whole_counts_as_a_copy(build, batches):
    """The record marks tensors that were cut or rescaled; head norms and untouched matrices are plain copies."""
    adapted = narrow(build, family_teacher("qwen3"), batches, intermediate_size=0.5).config.shortstack[
        "adapted_tensors"
    ]

    assert adapted == sorted(
        f"model.layers.{layer}.mlp.{name}_proj.weight" for layer in range(3) for name in ("down", "gate", "up")
    )


def test_the_seed_of_an_8_b_llama_is_planned_exactly():
    """8 of 32 layers, an eighth of the width, one group of heads: 35 M body parameters, from the config alone."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    )
    before = copy.deepcopy(config.to_dict())
    plan = Compact(CompactSettings(hidden_size=0.125, key_value_heads=1, intermediate_size=2432))
    student = plan.shrink(config, Selection(kept=range(0, 32, 4), of=32))
    layer = 2 * 512 * 512 + 2 * 128 * 512 + 3 * 512 * 2432 + 2 * 512

    assert count_parameters(student).body == 8 * layer + 512 == 35_136_000
    assert plan.count_parameters(student) == 35_136_000 + 2 * 128_256 * 512
    assert config.to_dict() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 0.0}, r"hidden_size must be a share in \(0, 1\] or a whole count from 1, got 0.0"),
        ({"key_value_heads": 1.5}, r"key_value_heads must be a share in \(0, 1\] or a whole count from 1, got 1.5"),
        ({"intermediate_size": -3}, r"intermediate_size must be a share in \(0, 1\] or a whole count from 1, got -3"),
        ({"hidden_size": 33}, "hidden_size is 33, but the teacher has only 32"),
        ({"key_value_heads": 3}, "key_value_heads is 3, but the teacher has only 2"),
        (
            {"hidden_size": 5},
            "the config of llama does not take these widths: .*not a multiple of the number of attention",
        ),
    ],
)
def test_widths_that_cannot_be(build, batches, settings, message):
    """The value, and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        narrow(build, family_teacher("llama"), batches, **settings)


def test_gpt2_ties_its_heads_to_its_stream(build, batches):
    """Four heads of eight are 32 wide; half of the stream needs half of the heads."""
    with pytest.raises(
        ConfigurationError, match="4 heads of 8 are 32, not 16; set key_value_heads and hidden_size to fit"
    ):
        narrow(build, family_teacher("gpt2"), batches, hidden_size=0.5)


def test_other_families_are_refused(build, batches):
    """Other families are refused, with the list of supported ones."""
    with pytest.raises(
        UnsupportedModelError, match=r"compact narrows gemma, gpt2, llama, .*, not opt; use layer-subset"
    ):
        narrow(build, tiny_teacher("opt"), batches, hidden_size=0.5)


def test_scales_by_depth_are_refused(build, batches):
    """GPT-2's, which is folded by layer-subset alone."""
    with pytest.raises(UnsupportedModelError, match="cannot narrow a gpt2 with scale_attn_by_inverse_layer_idx"):
        narrow(build, tiny_teacher("gpt2"), batches, **HALF)


def test_activations_need_examples(build):
    """Magnitudes do not."""
    with pytest.raises(
        EmptyDataError, match="channels = 'activations' looks at what the teacher does to calibration examples"
    ):
        narrow(build, family_teacher("llama"), [], **HALF)
    assert narrow(build, family_teacher("llama"), [], **HALF, channels="magnitude").config.hidden_size == 16


def test_a_tensor_that_the_table_does_not_know(build, batches):
    """An unknown tensor on a known model is an error, not skipped silently."""
    teacher = family_teacher("llama")
    teacher.model.layers[0].mlp.register_parameter("gain", torch.nn.Parameter(torch.ones(3)))
    with pytest.raises(UnsupportedModelError, match=r"compact does not know what model.layers.0.mlp.gain of LlamaFor"):
        narrow(build, teacher, batches, **HALF)
