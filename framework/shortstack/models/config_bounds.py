"""Sizes in a config that no model has, refused before transformers builds lists, or torch matrices, of that length."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

MOST: Final[Mapping[str, int]] = {"layers": 10_000, "width": 1 << 18, "rows": 1 << 27}
"""Largest number of layers, of channels or heads, and of tokens or positions; the largest models known have 128 layers
and 53,248 channels."""
_WIDTHS: Final = (
    "hidden_size",
    "n_embd",
    "d_model",
    "intermediate_size",
    "ffn",
    "n_inner",
    "head_dim",
    "_heads",
    "n_head",
)
_ROWS: Final = ("vocab_size", "position_embeddings", "n_positions", "n_ctx")
_NEEDED: Final = (
    *("vocab_size", "hidden_size", "n_embd", "d_model", "intermediate_size", "ffn_dim", "n_inner"),
    *("num_attention_heads", "n_head", "n_heads", "num_heads"),
)
"""Sizes that every family has that names them; others may be 0, such as those of experts that all tokens share."""


def out_of_bounds(fields: Mapping[str, Any]) -> str:
    """Return what is wrong with the sizes of a config, in a few words; empty if nothing is.

    >>> out_of_bounds({"num_hidden_layers": 10**9})
    'num_hidden_layers is 1,000,000,000, and at most 10,000 is taken'
    >>> out_of_bounds({"num_hidden_layers": 32, "text_config": {"hidden_size": 4096}})
    ''
    """
    for name in ("dtype", "torch_dtype"):
        if not isinstance(fields.get(name), str | None):  # transformers takes any value, and uses it later
            return f"{name} is {fields[name]!r:.40}, and a text such as 'float32' is taken"
    for name, value, kind in _sizes(fields):
        if value > MOST[kind]:
            return f"{name} is {value:,}, and at most {MOST[kind]:,} is taken"
        if value == 0 and name in _NEEDED:  # torch would warn of matrices that hold no number, or divide by it
            return f"{name} is 0, and at least 1 is needed"
        if value < 0 and kind == "layers":  # of other sizes some families have -1 for none
            return f"{name} is {value}"
    return ""


def _sizes(fields: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Yield the name, the value and the kind of each size, those of nested configs too."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _sizes(value)
        kind = _kind_of(str(name))
        if kind and isinstance(value, int) and not isinstance(value, bool):
            yield str(name), value, kind


def _kind_of(name: str) -> str:
    if name.endswith(("layers", "n_layer")):
        return "layers"
    if any(part in name for part in _ROWS):
        return "rows"
    return "width" if any(part in name for part in _WIDTHS) else ""
