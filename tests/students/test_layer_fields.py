"""Configs: every field that speaks of layers is subset by kept index, together, or the family is refused."""

import pytest
from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from shortstack.contracts import Selection
from shortstack.errors import ConfigurationError, UnsupportedModelError
from shortstack_students.layer_fields import subset
from shortstack_students.layer_subset import LayerSubset

KEPT = Selection(kept=(0, 2, 3, 5), of=6)
SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 6, "num_attention_heads": 4, "vocab_size": 64}


def shrunk(family, **fields):
    """Return the config of four of six layers."""
    return subset(AutoConfig.for_model(family, **(SIZES | fields)), KEPT)


def test_lists_by_kept_index():
    """Per-layer lists keep the entries of the kept layers, not the first four."""
    types = ["sliding_attention", "full_attention"] * 3
    config = shrunk("qwen3", layer_types=types, sliding_window=4, use_sliding_window=True)

    assert config.num_hidden_layers == 4
    assert config.layer_types == [types[layer] for layer in KEPT.kept]


def test_all_lists_together():
    """SmolLM3 says which layers have rotary positions beside their types."""
    config = shrunk("smollm3", no_rope_layers=[1, 0, 1, 0, 1, 1])

    assert config.no_rope_layers == [1, 1, 0, 1]
    assert len(config.layer_types) == 4


def test_thresholds_count_the_kept_layers_below():
    """Three dense layers become two when one of them goes; a threshold beyond the depth stays."""
    config = shrunk("deepseek_v3", first_k_dense_replace=3)
    assert config.first_k_dense_replace == 2
    assert shrunk("qwen2", max_window_layers=28).max_window_layers == 28
    assert shrunk("qwen2", max_window_layers=4, use_sliding_window=True, sliding_window=4).max_window_layers == 3


def test_index_lists_are_renumbered():
    """Sparse every second layer, but layer 3 is dense: of six only 1 and 5 are sparse, of the kept only the last."""
    config = shrunk("qwen2_moe", decoder_sparse_step=2, mlp_only_layers=[3])

    assert config.decoder_sparse_step == 1
    assert config.mlp_only_layers == [0, 1, 2]
    assert shrunk("llama4_text", moe_layers=[1, 2, 5]).moe_layers == [1, 3]


def test_gpt_neo_says_it_twice():
    """The compressed and the expanded form agree."""
    config = shrunk("gpt_neo", attention_types=[[["global", "local"], 3]], num_layers=6, num_heads=4)

    assert config.attention_layers == ["global", "global", "local", "local"]
    assert type(config).expand_attention_types_params(config.attention_types) == config.attention_layers


def test_a_list_of_tokens_is_not_per_layer():
    """Six end-of-text tokens and six layers are a coincidence."""
    assert shrunk("llama", eos_token_id=[1, 2, 3, 4, 5, 6]).eos_token_id == [1, 2, 3, 4, 5, 6]


def test_shared_state_is_refused():
    """Layers that read another layer's keys cannot be taken out."""
    config = AutoConfig.for_model("llama", **SIZES)
    config.num_kv_shared_layers = 2
    with pytest.raises(UnsupportedModelError, match=r"llama shares state across depth \(num_kv_shared_layers=2\)"):
        subset(config, KEPT)


def test_a_selection_of_another_depth():
    """Six layers are not seven."""
    with pytest.raises(ConfigurationError, match="the selection is of 7 layers, but the config has 6"):
        subset(AutoConfig.for_model("llama", **SIZES), Selection(kept=(0,), of=7))


class Stubborn(PreTrainedConfig):
    """A config that recomputes its per-layer lists, ignoring given ones."""

    model_type = "stubborn"
    num_hidden_layers: int = 6
    kinds: list | None = None

    def __post_init__(self, **kwargs):
        self.kinds = ["a", "b"] * (self.num_hidden_layers // 2)
        super().__post_init__(**kwargs)


class Strict(PreTrainedConfig):
    """A family that has a minimum of layers."""

    model_type = "strict"
    num_hidden_layers: int = 6

    def __post_init__(self, **kwargs):
        if self.num_hidden_layers < 5:
            raise ValueError("at least five layers")
        super().__post_init__(**kwargs)


def test_a_config_that_rewrites_what_it_is_told():
    """Such a config is refused: it would be read back with other values."""
    with pytest.raises(
        UnsupportedModelError, match="the config of stubborn cannot say which layers are left: it rewrites kinds"
    ):
        subset(Stubborn(), KEPT)
    with pytest.raises(
        UnsupportedModelError, match="the config of strict cannot say which layers are left: at least five"
    ):
        subset(Strict(), KEPT)


def test_scale_by_depth_in_another_family():
    """Only GPT-2's query weights are known."""
    config = AutoConfig.for_model("llama", **SIZES)
    config.scale_attn_by_inverse_layer_idx = True
    with pytest.raises(UnsupportedModelError, match=r"llama scales attention by depth .* can be folded for gpt2 only"):
        subset(config, KEPT)


def test_place_dependent_layers_are_refused(teacher_of, build):
    """A layer whose attribute hangs on its place, and one of another kind, cannot be moved."""
    teacher = teacher_of("llama")
    teacher.model.layers[3].self_attn.window = 3
    with pytest.raises(
        UnsupportedModelError, match=r"cannot keep its layer 3 as layer 1: self_attn.window is 3, would be None"
    ):
        build(teacher, [0, 3])
    mixture = teacher_of("qwen2_moe", num_experts=4, decoder_sparse_step=2)
    mixture.config.decoder_sparse_step = 1
    with pytest.raises(
        UnsupportedModelError, match=r"Qwen2MoeForCausalLM cannot keep only layers \[0, 1\]: its config cannot say it"
    ):
        build(mixture, [0, 1])


def test_modules_of_another_kind_are_refused(teacher_of, build):
    """The same tensors in another class of module are not the same layer."""
    from torch import nn

    teacher = teacher_of("llama")
    teacher.model.layers[1].mlp.act_fn = nn.ReLU()
    with pytest.raises(
        UnsupportedModelError, match=r"its module mlp.act_fn is of another kind; what the layer does depends"
    ):
        build(teacher, [1])


def test_planning_needs_no_weights():
    """An 8 B config is counted exactly on the meta device, and so is its quarter."""
    config = AutoConfig.for_model(
        "llama", hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, vocab_size=128256,
    )  # fmt: skip
    method = LayerSubset()

    assert method.count_parameters(config) == 8_030_261_248  # Llama 3 8B, as published
    quarter = method.shrink(config, Selection(kept=tuple(range(0, 32, 4)), of=32))
    layer = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336 + 2 * 4096
    assert method.count_parameters(quarter) == 8 * layer + 2 * 128256 * 4096 + 4096


@pytest.mark.parametrize(
    ("family", "layers", "name"),
    [
        ("mamba2", 2, "time_step_limit"),
        ("falcon_h1", 2, "time_step_limit"),
        ("falcon_h1", 2, "mlp_multipliers"),
        ("falcon_h1", 5, "ssm_multipliers"),
    ],
)
def test_lists_that_are_as_long_by_chance(family, layers, name):
    """Limits and multipliers are of the whole model; one of them would go with each layer."""
    config = AutoConfig.for_model(family, num_hidden_layers=layers)
    student = subset(config, Selection(kept=(layers - 1,), of=layers))

    assert student.num_hidden_layers == 1
    assert student.to_dict()[name] == config.to_dict()[name]


def test_no_family_has_others():
    """In every family's default config, lists that merely have as many entries as layers are left whole."""
    tried = 0
    for family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        for name, layers in _lists_of_another_length(family):
            config = AutoConfig.for_model(family, num_hidden_layers=layers)
            if (config.num_hidden_layers, len(config.to_dict().get(name) or ())) == (layers, layers):
                try:
                    student = subset(config, Selection(kept=(layers - 1,), of=layers))
                except UnsupportedModelError:
                    continue
                assert len(student.to_dict()[name]) == layers, (family, name)
                tried += 1

    assert tried >= 4


def _lists_of_another_length(family):
    """Yield names and lengths of number lists that have one length, below 40, at 40 and at 41 layers."""
    try:
        shorter, other = (AutoConfig.for_model(family, num_hidden_layers=layers).to_dict() for layers in (40, 41))
    except Exception:  # noqa: BLE001 -- any error means that the family has no such default
        return
    for name, value in shorter.items():
        numbers = isinstance(value, list | tuple) and all(isinstance(v, float) for v in value)
        if numbers and 1 < len(value) < 40 and other.get(name) == value:
            yield name, len(value)
