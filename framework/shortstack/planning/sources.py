"""What can be planned: a model's folder, a ``config.json``, or a run's TOML file."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig

from shortstack.errors import DataError, SourceNotFoundError, UnsupportedModelError

FEW: Final = 8
"""Items, where their number is not known before the data are read."""

if TYPE_CHECKING:
    from shortstack.run import Run


def config_in(source: Path) -> PreTrainedConfig:
    """The config of a folder or file; runs no code from there.

    Raises:
        SourceNotFoundError: It is not there, or the folder holds no ``config.json``.
        DataError: It is no config of a model that transformers knows.
        UnsupportedModelError: It is one of an encoder-decoder.
    """
    file = source / "config.json" if source.is_dir() else source
    if not file.is_file():
        raise SourceNotFoundError(
            f"{source} holds no config.json; name a model's folder, a config.json, or a run's TOML file"
        )
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(file, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise DataError(
            f"{file} is no config of a model that transformers knows: {' '.join(str(error).split())[:200]}"
        ) from error
    if config.is_encoder_decoder:
        raise UnsupportedModelError(
            f"{file} is of an encoder-decoder ({config.model_type}); use a decoder-only causal model"
        )
    return config


def _config_of_path(path: str) -> PreTrainedConfig:
    """Of a folder, a GGUF file, or a name on the hub.

    Raises:
        SourceNotFoundError: It is neither here nor to be had.
        DataError: It cannot be read.
    """
    place = Path(path)
    if place.is_dir():
        return config_in(place)
    there = (str(place.parent), {"gguf_file": place.name}) if place.suffix == ".gguf" else (path, {})
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(there[0], trust_remote_code=False, **there[1])
    except Exception as error:  # of many kinds, from the network and from files
        raise SourceNotFoundError(
            f"the config of {path} cannot be had ({' '.join(str(error).split())[:120]}): name a folder or a config.json of the "
            "same shape with --model"
        ) from error
    return config


def config_of_run(run: "Run", vocabulary: int | None) -> PreTrainedConfig:
    """The config of a run's teacher; one that is still to be trained has as many tokens as there are items.

    Args:
        run: The run.
        vocabulary: How many items there are; by default so few that they hardly count.

    Raises:
        SourceNotFoundError: ``teacher.path`` is not there.
        ConfigurationError: No model can be made of ``teacher.config``.
    """
    from shortstack.models.initial import initial_config, planned

    if run.teacher.path is not None:
        return _config_of_path(run.teacher.path)
    fields = run.teacher.config or {}
    planned(fields)
    return initial_config(fields, vocabulary or FEW).get_text_config()
