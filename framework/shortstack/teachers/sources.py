"""Configs of models from a folder, a ``config.json``, a GGUF file, or the hub."""

import copy
from functools import lru_cache
from pathlib import Path
from typing import Final

from transformers import AutoConfig, PreTrainedConfig

from shortstack.boundaries import in_one_line, read_as
from shortstack.config.given import Given
from shortstack.errors import ConfigurationError, DataError, SourceNotFoundError, UnsupportedModelError
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.language_models import hub_snapshot, is_gguf, may_be_on_the_hub, require_gguf
from shortstack.models.stored import refuse_adapters
from shortstack.models.weight_files import config_table

_USUAL: Final = "a model's folder, a config.json, or a run's TOML file"


def config_in(source: Path) -> PreTrainedConfig:
    """Read the config of a folder, a ``config.json``, or a GGUF file; runs no code from there.

    Raises:
        SourceNotFoundError: It does not exist, or the folder holds no ``config.json``.
        DataError: It is no config of a model that transformers knows, or the folder holds adapters alone.
        ConfigurationError: The package ``gguf`` is missing.
        UnsupportedModelError: The model is an encoder-decoder.
    """
    if is_gguf(source):
        return _config_in_gguf(source)
    file = source / "config.json" if source.is_dir() else source
    if not source.exists():
        raise SourceNotFoundError(f"{source} is not here; name {_USUAL}")
    if not file.is_file():
        refuse_adapters(str(source))
        others = sorted(path.name for path in source.glob("*") if is_gguf(path))
        raise SourceNotFoundError(f"{source} holds no config.json; name {f'{others[0]} in it' if others else _USUAL}")
    config_table(file)
    with read_as(file, "is no config of a model that transformers knows"):
        config: PreTrainedConfig = AutoConfig.from_pretrained(file, trust_remote_code=False, local_files_only=True)
    _require_layers(config, file)
    if config.is_encoder_decoder:
        raise UnsupportedModelError(
            f"{file} is of an encoder-decoder ({config.model_type}); use a decoder-only causal model"
        )
    return config


def _require_layers(config: PreTrainedConfig, file: Path) -> None:
    """Refuse a depth that no model has; families without layers of one kind, such as encoder-decoders, have no such field."""
    layers = config.get_text_config().to_dict().get("num_hidden_layers", 1)
    if not isinstance(layers, int) or layers < 1:
        raise DataError(f"{file} is no config of a model: num_hidden_layers is {layers!r}, and at least 1 is needed")


def given_config(given: Given) -> PreTrainedConfig:
    """Return a copy of the config of a model or recommender that was passed as an object.

    Raises:
        ConfigurationError: It is neither.
    """
    config = getattr(getattr(given.value, "model", given.value), "config", None)
    if not isinstance(config, PreTrainedConfig):
        raise ConfigurationError(
            f"teacher takes a model of transformers, a Recommender, a config or a path, got a {type(given.value).__name__}"
        )
    return copy.deepcopy(config)


def config_of_path(path: str) -> PreTrainedConfig:
    """Return the config of a folder, a ``config.json``, a GGUF file, or a name on the hub.

    Raises:
        SourceNotFoundError: It is neither on this machine nor can be downloaded.
        DataError: It cannot be read.
        ConfigurationError: The package ``gguf`` is missing.
        UnsupportedModelError: The model is an encoder-decoder.
    """
    place = Path(path)
    if place.exists() or not may_be_on_the_hub(path):
        return config_in(place)
    try:
        with silenced_transformers():
            snapshot = hub_snapshot(path)
    except SourceNotFoundError as error:
        raise SourceNotFoundError(
            f"the config of {path} cannot be downloaded ({in_one_line(error.__cause__ or error)}): download the model elsewhere and "
            "name its folder; plan also takes a folder or a config.json of the same shape, with --model"
        ) from error
    return config_in(snapshot)


def _config_in_gguf(file: Path) -> PreTrainedConfig:
    require_gguf(file)
    # the time of the last change is part of the cache's key; a copy, for callers change configs
    return copy.deepcopy(_read_gguf(file, file.stat().st_mtime_ns))


@lru_cache(maxsize=4)
def _read_gguf(file: Path, _written: int) -> PreTrainedConfig:
    """Read a config, cached: it takes seconds, for transformers also reads the whole tokenizer."""
    with read_as(file, "is no GGUF that transformers can read"):  # which architectures, is known to transformers alone
        config: PreTrainedConfig = AutoConfig.from_pretrained(str(file.parent), gguf_file=file.name)
    return config
