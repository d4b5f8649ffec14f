"""Recipes for tiny models of many decoder families."""

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs
from hypothesis import strategies as st

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from shortstack.testing.recipes.copies import Copies

VOCABULARY: Final = 40
"""Vocabulary size of every tiny model."""

LONGEST: Final = 32
"""Longest input of every tiny model, in tokens."""

_ROOMY: Final = {"hidden_size": 64, "max_position_embeddings": 128}

_SIZES = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_attention_heads": 4, "max_position_embeddings": LONGEST}
_WIDE = {**_SIZES, "intermediate_size": 24}
_GROUPED = {**_WIDE, "num_key_value_heads": 2}
_HEADS = {**_GROUPED, "head_dim": 8}
_ENDS = {"bos_token_id": None, "eos_token_id": None}  # their defaults lie beyond a tiny vocabulary
_EXPERTS = {"num_local_experts": 3, "num_experts_per_tok": 2, "experts_implementation": "eager"}
_SPARSE = {
    "num_experts": 3,
    "num_experts_per_tok": 2,
    "experts_implementation": "eager",
    "decoder_sparse_step": 2,
    "moe_intermediate_size": 8,
    "shared_expert_intermediate_size": 12,
}

FAMILIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "llama": _GROUPED,
    "mistral": {**_HEADS, "sliding_window": 4},
    "qwen2": _GROUPED,
    "qwen3": _HEADS,
    "phi3": {**_GROUPED, **_ENDS, "pad_token_id": 0},
    "gpt2": {"vocab_size": VOCABULARY, "n_embd": 16, "n_head": 4, "n_positions": LONGEST, **_ENDS},
    "gpt_neox": {**_WIDE, **_ENDS},
    "opt": {**_SIZES, "ffn_dim": 24, "word_embed_proj_dim": 16},
    "olmo2": {**_GROUPED, **_ENDS},
    "gemma2": {**_HEADS, "sliding_window": 4, "attn_logit_softcapping": 5.0, "query_pre_attn_scalar": 8},
    "mixtral": {**_GROUPED, **_EXPERTS, "sliding_window": None},
    "gemma3_text": {**_HEADS, "sliding_window": 4, "sliding_window_pattern": 2, "query_pre_attn_scalar": 8},
    "smollm3": {**_GROUPED, **_ENDS, "no_rope_layer_interval": 2, "pad_token_id": 0},
    "qwen2_moe": {**_GROUPED, **_SPARSE, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
}
"""Model type → the config's fields, except the number of layers."""

COMMON: Final = ("llama", "mistral", "qwen2", "qwen3", "phi3", "gpt2", "gpt_neox", "opt", "olmo2")
"""Families all of whose signals can be observed and are computed in the model's own precision."""

MIXED: Final = ("gemma2", "gemma3_text", "smollm3", "qwen2_moe")
"""Families with several kinds of layers: windows, rotary positions or experts differ from layer to layer."""

EXPERTS: Final = ("mixtral", "qwen2_moe")
"""Families with mixtures of experts."""

_DEPTH = {"gpt2": "n_layer"}

_ODD: Final[Mapping[str, Any]] = {
    "vocab_size": VOCABULARY + 3,
    **dict.fromkeys(("intermediate_size", "n_inner", "ffn_dim"), 27),
    **dict.fromkeys(("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"), 1e-3),
    "query_pre_attn_scalar": 5,
}
"""Config values that no family has by default: numbers that are not multiples of 8, other epsilons and scales."""

_ODD_THETA: Final = 50.0
"""Base of the rotary frequencies, which is 10,000 or more by default."""


@attrs.frozen(kw_only=True)
class TinyModel:
    """Recipe for a tiny stock decoder whose every layer changes the states.

    Attributes:
        family: One of ``FAMILIES``.
        layers: Number of layers.
        seed: Seed of the weights.
        dtype: ``"float64"``, ``"float32"`` or ``"bfloat16"``.
        idle: Indices of layers that change nothing: their writes to the residual stream are all 0.
        tied: True to tie the output rows to the input embeddings; None for the family's default.
        odd: True to move the config's numbers off their defaults: the base of rotary positions, epsilons, scales,
            a vocabulary and an inner width that are no multiple of 8.
        roomy: True for 64 channels and inputs of 128 tokens, instead of 16 and 32.

    >>> TinyModel(family="llama", layers=3, seed=7)
    TinyModel(family='llama', layers=3, seed=7, dtype='float64', idle=(), tied=None, odd=False, roomy=False)
    """

    family: str = attrs.field(default="llama", validator=attrs.validators.in_(FAMILIES))
    layers: int = attrs.field(default=2, validator=attrs.validators.ge(1))
    seed: int = 0
    dtype: Literal["float64", "float32", "bfloat16"] = "float64"
    idle: tuple[int, ...] = ()
    tied: bool | None = None
    odd: bool = False
    roomy: bool = False

    def config(self) -> "PreTrainedConfig":
        """Return the model's config."""
        from transformers import AutoConfig

        fields = copy.deepcopy(dict(FAMILIES[self.family]))
        fields[_DEPTH.get(self.family, "num_hidden_layers")] = self.layers
        if self.roomy:
            fields |= _ROOMY
        if self.tied is not None:
            fields["tie_word_embeddings"] = self.tied
        plain = AutoConfig.for_model(self.family, **fields)
        return AutoConfig.for_model(self.family, **{**fields, **_away_from_defaults(plain)}) if self.odd else plain

    def build(self) -> "PreTrainedModel":
        """Return the model in eval mode; a fresh copy each time, with the same weights."""
        return _copies(self).one()


def _away_from_defaults(plain: "PreTrainedConfig") -> dict[str, Any]:
    """Return other values for the numbers that a config has."""
    changed = {name: value for name, value in _ODD.items() if hasattr(plain, name)}
    if getattr(plain, "rope_parameters", None):
        changed["rope_parameters"] = _turned(plain.rope_parameters)
    return changed


def _turned(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return rotary parameters, of one kind of layer or of several, with another base."""
    return {
        name: _turned(value) if isinstance(value, Mapping) else _ODD_THETA if name == "rope_theta" else value
        for name, value in parameters.items()
    }


@lru_cache(maxsize=256)
# tests draw the same recipes over and over, and building a model is slow
def _copies(recipe: TinyModel) -> "Copies":
    from shortstack.testing.recipes.copies import Copies

    return Copies(_built(recipe))


def _built(recipe: TinyModel) -> "PreTrainedModel":
    import torch
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        # drawn in float32 for every dtype, so that recipes that differ in dtype alone have the same weights
        model: PreTrainedModel = AutoModelForCausalLM.from_config(recipe.config(), dtype=torch.float32)
        with torch.no_grad():
            for parameter in model.parameters():  # no bias or norm keeps a value that would hide a mistake
                parameter.add_(torch.randn_like(parameter) * (0.25 if parameter.dim() > 1 else 0.1))
            _silence(model, recipe.idle)
        if recipe.dtype == "float32":
            return model.eval()
        # a cast would round the frequencies of rotary positions, which are float32 in every stock model
        stored: PreTrainedModel = AutoModelForCausalLM.from_config(recipe.config(), dtype=getattr(torch, recipe.dtype))
    stored.load_state_dict(model.state_dict())
    return stored.eval()


def _silence(model: "PreTrainedModel", layers: tuple[int, ...]) -> None:
    from shortstack.models.decoder import Decoder, residual_writers

    for index in layers:
        for _, parameter in residual_writers(Decoder.of(model).layers[index]):
            parameter.zero_()


ODD = st.sampled_from([False, False, False, True])
"""Values of ``TinyModel.odd``: true for a fourth of the models, each of which has to be built."""


@st.composite
def models(
    draw: st.DrawFn,
    families: Sequence[str] = COMMON,
    *,
    layers: tuple[int, int] = (1, 4),
    dtypes: Sequence[Literal["float64", "float32", "bfloat16"]] = ("float64", "float32"),
    idle: bool = False,
) -> TinyModel:
    """Draw tiny stock decoders; they shrink to a one-layer float64 model of the first family.

    Args:
        draw: Supplied by Hypothesis.
        families: Model types, a subset of ``recipes.models.FAMILIES``.
        layers: Smallest and largest number of layers.
        dtypes: Types of the weights.
        idle: True if at least one layer changes nothing.
    """
    depth = draw(st.integers(*layers))
    some = st.lists(st.integers(0, depth - 1), min_size=1, unique=True)
    return TinyModel(
        family=draw(st.sampled_from(families)),
        layers=depth,
        seed=draw(st.integers(0, 3)),
        dtype=draw(st.sampled_from(dtypes)),
        idle=tuple(sorted(draw(some))) if idle else (),
        odd=draw(ODD),
    )
