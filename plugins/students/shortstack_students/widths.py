"""Widths of a compact student, and the tensor axes that they narrow, family by family."""

from collections.abc import Mapping
from math import floor
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.errors import ConfigurationError, UnsupportedModelError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

Axes = tuple[str, ...]
"""Meaning of each dimension of a tensor: ``hidden``, ``query``, ``key``, ``mlp``, ``qkv``, ``gate-up``; empty if it is not narrowed."""

_VECTOR, _FIXED = ("hidden",), ("",)

_LLAMA: Final[Mapping[str, Axes]] = {
    "embed_tokens.weight": ("", "hidden"),
    "lm_head.weight": ("", "hidden"),
    "norm.weight": _VECTOR,
    "input_layernorm.weight": _VECTOR,
    "post_attention_layernorm.weight": _VECTOR,
    "q_proj.weight": ("query", "hidden"),
    "q_proj.bias": ("query",),
    "k_proj.weight": ("key", "hidden"),
    "k_proj.bias": ("key",),
    "v_proj.weight": ("key", "hidden"),
    "v_proj.bias": ("key",),
    "o_proj.weight": ("hidden", "query"),
    "o_proj.bias": _VECTOR,
    "q_norm.weight": _FIXED,
    "k_norm.weight": _FIXED,
    "gate_proj.weight": ("mlp", "hidden"),
    "gate_proj.bias": ("mlp",),
    "up_proj.weight": ("mlp", "hidden"),
    "up_proj.bias": ("mlp",),
    "down_proj.weight": ("hidden", "mlp"),
    "down_proj.bias": _VECTOR,
}

_PHI3: Final[Mapping[str, Axes]] = {
    **_LLAMA,
    "qkv_proj.weight": ("qkv", "hidden"),
    "gate_up_proj.weight": ("gate-up", "hidden"),
}

_GPT2: Final[Mapping[str, Axes]] = {
    "wte.weight": ("", "hidden"),
    "wpe.weight": ("", "hidden"),
    "lm_head.weight": ("", "hidden"),
    "ln_1.weight": _VECTOR,
    "ln_1.bias": _VECTOR,
    "ln_2.weight": _VECTOR,
    "ln_2.bias": _VECTOR,
    "ln_f.weight": _VECTOR,
    "ln_f.bias": _VECTOR,
    "attn.c_attn.weight": ("hidden", "qkv"),
    "attn.c_attn.bias": ("qkv",),
    "attn.c_proj.weight": ("query", "hidden"),
    "attn.c_proj.bias": _VECTOR,
    "mlp.c_fc.weight": ("hidden", "mlp"),
    "mlp.c_fc.bias": ("mlp",),
    "mlp.c_proj.weight": ("mlp", "hidden"),
    "mlp.c_proj.bias": _VECTOR,
}


@attrs.frozen(kw_only=True)
class Family:
    """The properties of a model family that are needed to narrow it.

    Attributes:
        axes: End of a tensor's name → its axes.
        norms: Names of a layer's norms over the residual stream; they are rescaled for fewer channels.
        last_norm: Name of the norm before the output rows.
        reads_heads: Name of a layer's module whose input is the heads' outputs.
        reads_mlp: Name of a layer's module whose input is the MLP's neurons.
        shifted: Whether norms multiply by one plus their weight.
        scaled_embedding: Whether embeddings are multiplied by the root of the hidden size.
        free_heads: Whether the total width of the heads may differ from the hidden size.
    """

    axes: Mapping[str, Axes]
    norms: tuple[str, ...] = ("input_layernorm", "post_attention_layernorm")
    last_norm: str = "model.norm"
    reads_heads: str = "self_attn.o_proj"
    reads_mlp: str = "mlp.down_proj"
    shifted: bool = False
    scaled_embedding: bool = False
    free_heads: bool = True


FAMILIES: Final[Mapping[str, Family]] = {
    "gemma": Family(axes=_LLAMA, shifted=True, scaled_embedding=True),
    "gpt2": Family(
        axes=_GPT2,
        norms=("ln_1", "ln_2"),
        last_norm="transformer.ln_f",
        reads_heads="attn.c_proj",
        reads_mlp="mlp.c_proj",
        free_heads=False,
    ),
    "llama": Family(axes=_LLAMA),
    "mistral": Family(axes=_LLAMA),
    "phi3": Family(axes=_PHI3),
    "qwen2": Family(axes=_LLAMA),
    "qwen3": Family(axes=_LLAMA),
}


def family_of(config: "PreTrainedConfig") -> Family:
    """Return the family of a config.

    Raises:
        UnsupportedModelError: It is not one that can be narrowed.
    """
    if config.model_type not in FAMILIES:
        raise UnsupportedModelError(
            f"compact narrows {', '.join(FAMILIES)}, not {config.model_type}; use layer-subset, which keeps widths"
        )
    return FAMILIES[config.model_type]


@attrs.frozen(kw_only=True)
class Widths:
    """The sizes of a model.

    Attributes:
        hidden: Width of the residual stream.
        groups: Number of key and value heads.
        queries: Number of query heads that share one of them.
        head: Width of a head.
        mlp: Number of neurons of an MLP.
    """

    hidden: int
    groups: int
    queries: int
    head: int
    mlp: int

    @classmethod
    def of(cls, config: "PreTrainedConfig") -> "Widths":
        """Read the sizes from a config."""
        fields = config.to_dict()
        heads = config.num_attention_heads
        groups = fields.get("num_key_value_heads") or heads
        # GPT-2's ``n_inner`` is None for four times the hidden size
        mlp = fields["n_inner"] or 4 * config.hidden_size if "n_inner" in fields else config.intermediate_size
        head = fields.get("head_dim") or config.hidden_size // heads
        return cls(hidden=config.hidden_size, groups=groups, queries=heads // groups, head=head, mlp=mlp)

    def narrowed(self, *, hidden: float, groups: float, mlp: float) -> "Widths":
        """Return the sizes after narrowing to shares or counts.

        Raises:
            ConfigurationError: One is larger than it was.
        """
        return attrs.evolve(
            self,
            hidden=_left("hidden_size", hidden, self.hidden),
            groups=_left("key_value_heads", groups, self.groups),
            mlp=_left("intermediate_size", mlp, self.mlp),
        )

    def write_to(self, config: "PreTrainedConfig", family: Family) -> None:
        """Write the sizes into a config.

        Raises:
            ConfigurationError: The family's heads must be as wide together as its residual stream, and these are not; or
                its config class does not accept the sizes.
        """
        if not family.free_heads and self.hidden != self.groups * self.queries * self.head:
            raise ConfigurationError(
                f"in {config.model_type} all heads together are as wide as hidden_size: {self.groups * self.queries} heads of "
                f"{self.head} are {self.groups * self.queries * self.head}, not {self.hidden}; set key_value_heads and hidden_size to fit"
            )
        fields = config.to_dict()
        config.hidden_size, config.num_attention_heads = self.hidden, self.groups * self.queries
        setattr(config, "n_inner" if "n_inner" in fields else "intermediate_size", self.mlp)
        if "num_key_value_heads" in fields:
            config.num_key_value_heads = self.groups
        if family.free_heads:
            config.head_dim = self.head
        _require_sound(config)


def _require_sound(config: "PreTrainedConfig") -> None:
    from huggingface_hub.errors import StrictDataclassError

    try:
        type(config).from_dict(config.to_dict())
    except (ValueError, TypeError, StrictDataclassError) as error:
        raise ConfigurationError(
            f"the config of {config.model_type} does not take these widths: {' '.join(str(error).split())}"
        ) from error


def _left(name: str, amount: float, whole: int) -> int:
    """Return the count for a share, rounded down to at least 1, or for a count.

    >>> _left("hidden_size", 0.5, 96), _left("hidden_size", 40, 96)
    (48, 40)
    """
    # shares such as 2/3 are not exact in floating point
    left = max(1, floor(amount * whole + 1e-9)) if isinstance(amount, float) else amount
    if left > whole:
        raise ConfigurationError(f"{name} is {left}, but the teacher has only {whole}")
    return left


def amount(_instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    """Validate a width: a share in (0, 1] as a float, or a count.

    Raises:
        ConfigurationError: It is neither.
    """
    if not (0 < value <= 1 if isinstance(value, float) else value >= 1):
        raise ConfigurationError(f"{attribute.name} must be a share in (0, 1] or a whole count from 1, got {value!r}")
