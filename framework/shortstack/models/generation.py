"""Generation configs that transformers refuses to save: fields that have no effect are taken out of them."""

import copy
import logging
from typing import Final

from transformers import GenerationConfig, PreTrainedModel

_MODES: Final = ("do_sample", "num_beams", "return_dict_in_generate", "use_cache")
"""Fields that decide whether other fields have an effect; they are set first."""
_LOG = logging.getLogger(__name__)


def settle_generation(model: PreTrainedModel) -> None:
    """Unset the fields of a model's generation config that have no effect, in place, and log them.

    A ``temperature`` without ``do_sample``, for example: generation is greedy with it and without it, but transformers refuses to save
    such a config once anything in it has changed, which would end a training at its first checkpoint.
    """
    config = model.generation_config if model.can_generate() else None
    if config is None or _is_sound(config):
        return
    vain = _vain(config)
    for name in vain:
        setattr(config, name, None)
    _LOG.warning(
        "the generation config of %s sets %s, which has no effect and cannot be saved; it is unset",
        type(model).__name__,
        ", ".join(vain),
    )


def _vain(config: GenerationConfig) -> list[str]:
    """Return the fields that make the config invalid, found by setting one after the other."""
    fields = {name: value for name, value in vars(config).items() if not name.startswith("_") and value is not None}
    growing, vain = GenerationConfig(), []
    for name in sorted(fields, key=lambda name: (name not in _MODES, name)):
        before = vars(growing).get(name)
        setattr(growing, name, copy.deepcopy(fields[name]))
        if not _is_sound(growing):
            setattr(growing, name, before)
            vain.append(name)
    return vain


def _is_sound(config: GenerationConfig) -> bool:
    """Return True if transformers would save the config."""
    try:
        config.validate(strict=True)
    except ValueError:
        return False
    return True
