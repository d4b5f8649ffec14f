"""Tiny models of many decoder families, made from a recipe."""

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

VOCABULARY: Final = 40
"""Tokens that every tiny model knows."""

LONGEST: Final = 32
"""Tokens that every tiny model can read."""

_SIZES = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_attention_heads": 4, "max_position_embeddings": LONGEST}
_WIDE = {**_SIZES, "intermediate_size": 24}
_GROUPED = {**_WIDE, "num_key_value_heads": 2}
_HEADS = {**_GROUPED, "head_dim": 8}
_ENDS = {"bos_token_id": None, "eos_token_id": None}  # their defaults lie beyond a tiny vocabulary
_EXPERTS = {"num_local_experts": 3, "num_experts_per_tok": 2, "experts_implementation": "eager"}

FAMILIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "llama": _GROUPED,
    "mistral": {**_HEADS, "sliding_window": 4},
    "qwen2": _GROUPED,
    "qwen3": _HEADS,
    "phi3": {**_GROUPED, "pad_token_id": 0},
    "gpt2": {"vocab_size": VOCABULARY, "n_embd": 16, "n_head": 4, "n_positions": LONGEST, **_ENDS},
    "gpt_neox": {**_WIDE, **_ENDS},
    "opt": {**_SIZES, "ffn_dim": 24, "word_embed_proj_dim": 16},
    "olmo2": _GROUPED,
    "gemma2": {**_HEADS, "sliding_window": 4, "attn_logit_softcapping": 5.0, "query_pre_attn_scalar": 8},
    "mixtral": {**_GROUPED, **_EXPERTS, "sliding_window": None},
}
"""Model type → the config's fields but for its depth."""

COMMON: Final = ("llama", "mistral", "qwen2", "qwen3", "phi3", "gpt2", "gpt_neox", "opt", "olmo2")
"""The families whose every signal can be observed and is computed in the model's own precision."""

_DEPTH = {"gpt2": "n_layer"}


@attrs.frozen(kw_only=True)
class TinyModel:
    """A recipe for a tiny stock decoder whose every layer really does something.

    Attributes:
        family: One of ``FAMILIES``.
        layers: How deep.
        seed: Of the weights.
        dtype: ``"float64"``, ``"float32"`` or ``"bfloat16"``.

    >>> TinyModel(family="llama", layers=3, seed=7)
    TinyModel(family='llama', layers=3, seed=7, dtype='float64')
    """

    family: str = attrs.field(default="llama", validator=attrs.validators.in_(FAMILIES))
    layers: int = attrs.field(default=2, validator=attrs.validators.ge(1))
    seed: int = 0
    dtype: Literal["float64", "float32", "bfloat16"] = "float64"

    def config(self) -> "PreTrainedConfig":
        """Its config."""
        from transformers import AutoConfig

        fields = copy.deepcopy(dict(FAMILIES[self.family]))
        return AutoConfig.for_model(
            self.family, **fields, **{_DEPTH.get(self.family, "num_hidden_layers"): self.layers}
        )

    def build(self) -> "PreTrainedModel":
        """The model, in eval mode; a fresh copy each time, with the same weights."""
        return copy.deepcopy(_built(self))


@lru_cache(maxsize=64)
def _built(recipe: TinyModel) -> "PreTrainedModel":
    import torch
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(recipe.config(), dtype=torch.float32)
        with torch.no_grad():
            for parameter in model.parameters():  # no bias or norm keeps a value that would hide a mistake
                parameter.add_(torch.randn_like(parameter) * (0.25 if parameter.dim() > 1 else 0.1))
    return model.to(getattr(torch, recipe.dtype)).eval()
