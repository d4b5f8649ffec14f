"""Comparison of a student's config with its teacher's, apart from the kept layers and their widths.

A copy of every weight under another rotary base, epsilon or window is another model, and a short prompt may not show it. So
every field must be equal, unless it describes layers, is a size of tensors, or has no effect on the function.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from shortstack.models.older_readers import FORMER
from shortstack.models.parameters import planned_model

_OF_LAYERS: Final = frozenset({"layer", "layers", "block", "blocks", "dense", "sparse"})
"""Words in names of fields that describe the layers."""
_OF_TRAINING: Final = ("dropout", "pdrop", "layerdrop", "drop", "initializer", "init", "token")
"""Prefixes of words in names of fields that only affect training or generation."""
_OF_NO_FUNCTION: Final = frozenset({"architectures", "dtype", "torch_dtype", "transformers_version", "use_cache"})
"""Fields that do not affect the function, in a config and in those within it."""
_ELSEWHERE: Final = FORMER | _OF_NO_FUNCTION | {"shortstack", "tie_word_embeddings"}
"""Fields that another proof compares, or that do not affect the function."""
_PLAIN: Final = (bool, int, float, str, type(None))


def different_settings(teacher: PreTrainedModel, student: PreTrainedModel) -> list[str]:
    """Return a phrase for each unexplained difference between the student's config and the teacher's."""
    theirs, ours = teacher.config.get_text_config(), student.config.get_text_config()
    before, after = theirs.to_dict(), ours.to_dict()
    layers = (theirs.num_hidden_layers, ours.num_hidden_layers)
    differences, sizes = list[str](), dict[str, Any]()
    for name in sorted((before.keys() | after.keys()) - _ELSEWHERE):
        for field, old, new in _leaves(name, before.get(name), after.get(name)):
            if field.rpartition(".")[2] in _OF_NO_FUNCTION or _is_explained(field, old, new, layers):
                continue
            if field == name and _is_size(ours, name, old, new):
                sizes[name] = old
            else:
                differences.append(f"{field} is {new!r} instead of {old!r}")
    if sizes and _are_other_heads(ours, sizes):
        differences += [f"{name} is {after[name]!r} instead of {old!r}" for name, old in sizes.items()]
    return differences


def _leaves(name: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield a field, or its entries, where the two configs differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() & new.keys(), key=str):
            yield from _leaves(f"{name}.{key}", old[key], new[key])
        for key in sorted(old.keys() ^ new.keys(), key=str):
            value = old.get(key, new.get(key))
            if isinstance(value, _PLAIN):  # a table for layers that are not there any more is left out
                yield f"{name}.{key}", old.get(key), new.get(key)
    elif old != new:
        yield name, old, new


def _is_explained(name: str, old: Any, new: Any, layers: tuple[int, int]) -> bool:
    """Return True if a difference is expected: the field describes layers, or affects training only.

    >>> _is_explained("num_hidden_layers", 12, 3, (12, 3)), _is_explained("rope_theta", 1e4, 1e6, (12, 3))
    (True, False)
    """
    words = name.replace(".", "_").split("_")
    if any(word.startswith(_OF_TRAINING) for word in words):
        return True
    if isinstance(old, list | tuple | str) and isinstance(new, type(old)) and (len(old), len(new)) == layers:
        return True  # one entry a layer
    if isinstance(old, float) or isinstance(new, float) or "norm" in words:
        return False
    indices = isinstance(new, list | tuple) and all(isinstance(entry, int | list | tuple) for entry in new)
    return indices or bool(_OF_LAYERS & set(words)) or name.rpartition(".")[2].isdigit()


def _is_size(config: PreTrainedConfig, name: str, old: Any, new: Any) -> bool:
    """Return True if an integer field is a size of tensors: doubling it changes their shapes.

    Numbers of heads count too, although in GPT-2 they change no shape: all heads together are as wide as the stream.
    """
    if name == "vocab_size" or not {type(old), type(new)} <= {int, type(None)}:
        return False
    if name.endswith(("head", "heads")):
        return True
    doubled = _planned(config, {name: 2 * (new or old)})
    return doubled is None or _shapes(doubled) != _shapes(planned_model(config))


def _are_other_heads(config: PreTrainedConfig, sizes: Mapping[str, Any]) -> bool:
    """Return True if the teacher's sizes give the same shapes but other modules: two heads instead of one, say."""
    reverted = _planned(config, sizes)
    if reverted is None or _shapes(reverted) != _shapes(now := planned_model(config)):
        return False
    return _attributes(reverted) != _attributes(now)


def _planned(config: PreTrainedConfig, changes: Mapping[str, Any]) -> PreTrainedModel | None:
    """Return a model, without weights, of the config with some fields changed; None if it cannot be built."""
    changed = copy.deepcopy(config)
    try:
        for name, value in changes.items():
            setattr(changed, name, value)
        return planned_model(changed)
    except (ValueError, TypeError, RuntimeError, AttributeError, StrictDataclassError):
        return None


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _attributes(model: nn.Module) -> dict[str, object]:
    """Return the classes and plain attributes of all modules."""
    attributes: dict[str, object] = {}
    for path, module in model.named_modules():
        attributes[path] = type(module)
        attributes |= {
            f"{path}.{n}": v for n, v in vars(module).items() if not n.startswith("_") and isinstance(v, _PLAIN)
        }
    return attributes
