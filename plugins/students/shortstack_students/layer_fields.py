"""Config of a subset of a model's layers, with all fields that describe layers updated together.

There are five kinds: lists with one entry per layer, lists of layer indices, tables by layer index, thresholds ("from layer
3 on"), and short lists that are repeated to the model's depth.
"""

import copy
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from shortstack.contracts import Selection
from shortstack.errors import ConfigurationError, UnsupportedModelError
from shortstack_students.attention_scale import FLAG, refuse_unknown_scale

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

INDEX_LISTS = ("attn_layer_indices", "cross_attention_layers", "mlp_only_layers", "moe_layers", "rope_scaling_layers")
THRESHOLDS = ("first_k_dense_replace", "max_window_layers", "num_dense_layers")
BY_INDEX = ("per_layer_config",)
REPEATED = ("block_types",)
SHARED_ACROSS_DEPTH = ("num_kv_shared_layers", "num_mem_blocks")
NOT_PER_LAYER = ("architectures", "attention_types", "mrope_section")


def subset(config: "PreTrainedConfig", selection: Selection) -> "PreTrainedConfig":
    """Return a copy of the config that describes only the kept layers.

    Raises:
        ConfigurationError: The selection is for another number of layers.
        UnsupportedModelError: The family shares state across depth, or its config cannot express the kept layers.
    """
    student = copy.deepcopy(config)
    text = student.get_text_config()
    if text.num_hidden_layers != selection.of:
        raise ConfigurationError(
            f"the selection is of {selection.of} layers, but the config has {text.num_hidden_layers}"
        )
    fields, fixed = text.to_dict(), _of_another_length(text)
    _refuse_sharing(text.model_type, fields)
    if fields.get(FLAG) and len(selection.kept) < selection.of:
        refuse_unknown_scale(text.model_type)
    changes = {"num_hidden_layers": len(selection.kept)} | _renewed(fields, fixed, selection)
    for name, value in changes.items():
        setattr(text, name, value)
    _refuse_unstable(text, changes)
    return student


def _renewed(fields: dict[str, Any], fixed: Collection[str], selection: Selection) -> dict[str, Any]:
    kept, of = selection.kept, selection.of
    changes: dict[str, Any] = {}
    for name, value in fields.items():
        if name in INDEX_LISTS and isinstance(value, list | tuple):
            changes[name] = type(value)(new for new, old in enumerate(kept) if old in value)
        elif name in THRESHOLDS and isinstance(value, int) and value < of:
            changes[name] = sum(layer < value for layer in kept)
        elif name in REPEATED and isinstance(value, list | tuple):
            changes[name] = type(value)(value[layer % len(value)] for layer in kept)
        elif name in BY_INDEX and isinstance(value, dict):
            table = {int(old): entry for old, entry in value.items()}
            changes[name] = {new: table[old] for new, old in enumerate(kept) if old in table}
        elif name not in fixed and _is_per_layer(name, value, of):
            changes[name] = type(value)(value[layer] for layer in kept)
    changes |= _sparse_step(fields, kept)
    if "attention_types" in fields and "attention_layers" in changes:  # GPT-Neo has two fields for the same thing
        changes["attention_types"] = [[[kind], 1] for kind in changes["attention_layers"]]
    if fields.get(FLAG) and len(kept) < of:
        changes[FLAG] = False  # the scale is folded into the weights
    return changes


def _of_another_length(config: "PreTrainedConfig") -> set[str]:
    """Return the list fields whose default length differs from the default depth: equal lengths elsewhere are chance.

    Mamba 2's ``time_step_limit`` has two entries, and Falcon H1's multipliers two and five, at any depth.
    """
    from huggingface_hub.errors import StrictDataclassError

    try:
        # some config classes need arguments; their lists are taken to be per layer if the lengths match
        default = type(config)()
    except (ValueError, TypeError, StrictDataclassError):
        return set()
    depth = default.num_hidden_layers
    lists = {name: value for name, value in default.to_dict().items() if isinstance(value, list | tuple)}
    return {
        name for name, value in lists.items() if len(value) not in {0, depth} and name not in {*INDEX_LISTS, *REPEATED}
    }


def _is_per_layer(name: str, value: object, layers: int) -> bool:
    """Return True for a list with as many entries as layers, unless its name rules that out."""
    # lists of tokens may have as many entries as there are layers by chance
    if name in NOT_PER_LAYER or name in INDEX_LISTS or name.endswith(("token_id", "token_ids")):
        return False
    return isinstance(value, list | tuple) and len(value) == layers


def _sparse_step(fields: dict[str, Any], kept: tuple[int, ...]) -> dict[str, Any]:
    """Replace the interval of sparse mixture-of-experts layers by a list of the dense ones."""
    step = fields.get("decoder_sparse_step")
    if not isinstance(step, int) or "mlp_only_layers" not in fields:
        return {}
    named = fields["mlp_only_layers"] or []
    dense = [new for new, old in enumerate(kept) if old in named or (old + 1) % step]
    return {"decoder_sparse_step": 1, "mlp_only_layers": dense}


def _refuse_sharing(model_type: str, fields: dict[str, Any]) -> None:
    for name in SHARED_ACROSS_DEPTH:
        if fields.get(name):
            raise UnsupportedModelError(
                f"{model_type} shares state across depth ({name}={fields[name]}): a layer cannot be taken out of it"
            )


def _refuse_unstable(config: "PreTrainedConfig", changes: dict[str, Any]) -> None:
    """Raise if the family's config class does not read back the changed fields."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        again = type(config).from_dict(config.to_dict()).to_dict()
    except (ValueError, TypeError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())
        raise UnsupportedModelError(
            f"the config of {config.model_type} cannot say which layers are left: {reason}"
        ) from error
    written = config.to_dict()
    lost = [name for name in changes if name in written and again.get(name) != written[name]]
    if lost:
        raise UnsupportedModelError(
            f"the config of {config.model_type} cannot say which layers are left: it rewrites {lost[0]} "
            f"from {written[lost[0]]} to {again.get(lost[0])}"
        )
