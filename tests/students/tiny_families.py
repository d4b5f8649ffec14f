"""A tiny config of six layers for every causal language model of transformers that can be built small.

``SIZES`` suits most families; ``CHANGES`` mixes the kinds of layers where a family has several, so that a layer that lands
in another's place shows, and mends what the sizes get wrong.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

LAYERS, VOCABULARY, MOST_PARAMETERS = 6, 64, 20_000_000

SIZES: Mapping[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "sliding_window": 4,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "ffn_dim": 48,
    "ffn_hidden_size": 48,
    "word_embed_proj_dim": 32,
    "rotary_dim": 4,
    "moe_intermediate_size": 16,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "shared_expert_intermediate_size": 16,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
}

_FULL, _SLIDING, _LINEAR = "full_attention", "sliding_attention", "linear_attention"
_WINDOWS = {"layer_types": [_SLIDING, _FULL, _SLIDING, _SLIDING, _FULL, _FULL]}
_LATENT = {"num_key_value_heads": 4}
_MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_chunk_size": 4}

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "axk1": _LATENT,
    "axk2": _LATENT,
    "bailing_hybrid": {**_LATENT, "layer_types": [_LINEAR, _FULL, _LINEAR, _FULL, _FULL, _LINEAR]},
    "bamba": {**_MAMBA, "attn_layer_indices": [1, 3, 4]},
    "big_bird": {"attention_type": "original_full"},
    "cohere2": _WINDOWS,
    "cohere_compass_text": {
        **_WINDOWS,
        "rope_parameters": {kind: {"rope_type": "default", "rope_theta": 10000.0} for kind in (_SLIDING, _FULL)},
    },
    "dbrx": {
        "d_model": 32,
        "n_heads": 4,
        "n_layers": LAYERS,
        "max_seq_len": 64,
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 48, "hidden_size": 32, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "deepseek_v2": {**_LATENT, "first_k_dense_replace": 3},
    "deepseek_v3": {**_LATENT, "first_k_dense_replace": 3},
    "deepseek_v32": _LATENT,
    "dots3_note_text": _LATENT,
    "gemma2": _WINDOWS,
    "gemma3_text": _WINDOWS,
    "gemma4_assistant": {"hidden_size_per_layer_input": 0},
    "gemma4_text": {
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": VOCABULARY,
        "num_kv_shared_layers": 0,
        "layer_types": [_SLIDING, _FULL, _SLIDING, _SLIDING, _FULL, _FULL],
    },
    "gemma3n_text": {
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": VOCABULARY,
        "laurel_rank": 8,
        "num_kv_shared_layers": 2,
        "layer_types": [_SLIDING, _FULL, _SLIDING, _FULL, _SLIDING, _FULL],
        "intermediate_size": [48] * LAYERS,
        "activation_sparsity_pattern": [0.0] * LAYERS,
    },
    "glm4_moe_lite": _LATENT,
    "glm_moe_dsa": _LATENT,
    "gpt2": {"scale_attn_by_inverse_layer_idx": True},
    "gpt_neo": {"attention_types": [[["global", "local"], 3]], "num_layers": LAYERS, "num_heads": 4, "window_size": 4},
    "gpt_oss": {**_WINDOWS, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    "granitemoehybrid": {**_MAMBA, "layer_types": [_LINEAR, _FULL, _LINEAR, _FULL, _FULL, _LINEAR]},
    "kimi_linear": {
        **_LATENT,
        "num_local_experts": 4,
        "linear_head_dim": 8,
        "linear_num_heads": 4,
        "layer_types": [_LINEAR, _FULL, _LINEAR, _FULL, _FULL, _LINEAR],
    },
    "lfm2_moe": {"layer_types": ["conv", _FULL, "conv", "conv", _FULL, _FULL]},
    "llama4_text": {"intermediate_size_mlp": 48, "attention_chunk_size": 4},
    "longcat_flash": {
        **_LATENT,
        "num_layers": LAYERS,
        "moe_topk": 2,
        "zero_expert_num": 2,
        "expert_ffn_hidden_size": 16,
    },
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 2, "state_size": 8, "chunk_size": 4},
    "minicpm3": _LATENT,
    "ministral": _WINDOWS,
    "nemotron_h": {
        "layers_block_type": [_LINEAR, "moe", _FULL, "mlp", _LINEAR, _FULL],
        "mamba_num_heads": 8,
        "mamba_head_dim": 8,
        "n_groups": 2,
        "ssm_state_size": 8,
        "chunk_size": 4,
        "moe_shared_expert_intermediate_size": 16,
    },
    "olmo3": _WINDOWS,
    "olmo_hybrid": {"layer_types": [_LINEAR, _FULL, _LINEAR, _FULL, _FULL, _LINEAR]},
    "qwen2": {"use_sliding_window": True, "max_window_layers": 3},
    "qwen2_moe": {"decoder_sparse_step": 2, "mlp_only_layers": [3]},
    "qwen3": {"use_sliding_window": True, "max_window_layers": 3},
    "qwen3_5_text": {"layer_types": [_LINEAR, _FULL, _LINEAR, _FULL, _FULL, _LINEAR]},
    "qwen3_moe": {"decoder_sparse_step": 2, "mlp_only_layers": [3]},
    "qwen3_next": {"layer_types": [_LINEAR, _FULL, _LINEAR, _FULL, _FULL, _LINEAR]},
    "reformer": {"axial_pos_embds": False},
    "smollm3": {"no_rope_layers": [1, 0, 1, 0, 1, 1]},
    "xmod": {"default_language": "en_XX"},
    "youtu": _LATENT,
    "zaya": {"num_experts_per_tok": 1},
    "zamba2": {
        "layers_block_type": [_LINEAR, "hybrid", _LINEAR, "hybrid", _LINEAR, "hybrid"],
        "mamba_d_state": 8,
        "n_mamba_heads": 8,
        "chunk_size": 4,
        "num_key_value_heads": 4,
    },
}


class NoTinyModelError(Exception):
    """There is no tiny model of a type; says why."""


def model_types() -> list[str]:
    """Return every type that ``AutoModelForCausalLM`` knows."""
    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def tiny_config(model_type: str) -> PreTrainedConfig:
    """Return the family's tiny config.

    Raises:
        NoTinyModelError: It cannot be made.
    """
    kind = CONFIG_MAPPING[model_type]
    try:
        whole = kind()
        if "text_encoder" in whole.sub_configs:
            raise NoTinyModelError("made of several models, one of which encodes the text")
        if whole.get_text_config() is not whole:
            raise NoTinyModelError(f"made of several models; its text part is {whole.get_text_config().model_type}")
        known = whole.to_dict()
        named = {kind.attribute_map.get(name, name): value for name, value in SIZES.items()}
        sizes = {name: value for name, value in named.items() if name in known} | _decoding(known)
        return kind(**{**sizes, **copy.deepcopy(dict(CHANGES.get(model_type, {})))})
    except (ValueError, TypeError, KeyError, AttributeError, StrictDataclassError) as error:
        raise NoTinyModelError(f"no small config: {_line(error)}") from error


def tiny_teacher(model_type: str) -> PreTrainedModel:
    """Return a seeded model of the tiny config, in which no weight has a value that would hide a mistake.

    Raises:
        NoTinyModelError: It cannot be made, or not small.
    """
    config = tiny_config(model_type)
    try:
        with torch.device("meta"):
            size = sum(p.numel() for p in AutoModelForCausalLM.from_config(copy.deepcopy(config)).parameters())
        if size > MOST_PARAMETERS:
            raise NoTinyModelError(f"no small config: {size:,} parameters at the smallest that was tried")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
            for parameter in model.parameters():
                parameter.data += 0.05 * torch.randn_like(parameter)
            for module in model.modules():
                if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                    module.weight.data[module.padding_idx] = 0  # some families do so at every load
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        AssertionError,
        RuntimeError,
        ImportError,
        StrictDataclassError,
    ) as error:
        raise NoTinyModelError(f"no small model: {_line(error)}") from error
    return model


def _line(error: Exception) -> str:
    """Return an error as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"


def _decoding(known: Mapping[str, Any]) -> dict[str, bool]:
    """Return config fields that make encoder families' causal models decode."""
    return {"is_decoder": True} if "is_decoder" in known and "encoder_layers" not in known else {}
