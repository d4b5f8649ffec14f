"""A pretrained language model with its tokenizer: from a folder, a GGUF file, or the hub."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from shortstack.errors import ConfigurationError, DataError, SourceNotFoundError
from shortstack.files import refuse_lfs_pointer
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.stored import refuse_adapters, require_whole, settle, stored_model, stored_tokenizer
from shortstack.models.ties import is_tied, set_tied

_HUB_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+")


def language_model(source: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model in float32 on the CPU, and its tokenizer; runs no code from there and unpickles nothing.

    Args:
        source: A folder, a file that ends in ``.gguf``, or a name on the hub, such as ``"HuggingFaceTB/SmolLM2-135M"``.

    Raises:
        SourceNotFoundError: It is neither here nor can it be had from the hub.
        DataError: It cannot be read.
        ConfigurationError: The package ``gguf`` is missing, or the tokenizer is not the model's.
    """
    path = Path(source)
    if is_gguf(path):
        model, tokenizer = _from_gguf(path)
    elif path.is_dir():
        model, tokenizer = stored_model(path, "float32"), stored_tokenizer(path)
    else:
        model, tokenizer = _from_hub(source)
    require_own(model, tokenizer, source)
    return model, tokenizer


def is_gguf(path: Path) -> bool:
    """Whether the name says so."""
    return path.suffix.lower() == ".gguf"


def may_be_on_the_hub(path: str) -> bool:
    """Whether it looks like ``owner/name``, and not like something that is missing from a folder here."""
    return not is_gguf(Path(path)) and bool(_HUB_NAME.fullmatch(path)) and not Path(path).parent.is_dir()


def require_own(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: str) -> None:
    """The tokenizer is no larger than the model, and agrees with its config on how a text begins or on how it ends.

    Raises:
        ConfigurationError: It is not, or does not: it belongs to another model.
    """
    rows, config = model.get_input_embeddings().num_embeddings, model.config.get_text_config()
    if len(tokenizer) > rows:
        raise ConfigurationError(
            f"the tokenizer of {source} has {len(tokenizer)} tokens, but the model knows {rows}; give the model its own"
        )
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    if None not in {begin, end, config.bos_token_id, *ends} and begin != config.bos_token_id and end not in ends:
        raise ConfigurationError(
            f"the tokenizer of {source} begins and ends texts with the tokens {begin} and {end}, its config.json with "
            f"{config.bos_token_id} and {config.eos_token_id}: it belongs to another model; give the model its own, or, if it is, put its "
            "bos_token_id and eos_token_id into config.json"
        )


def require_gguf(path: Path) -> None:
    """The file is there, and so is what reads it.

    Raises:
        SourceNotFoundError: The file is not there.
        DataError: It is a pointer of git-lfs.
        ConfigurationError: The package ``gguf`` is missing.
    """
    if not path.is_file():
        raise SourceNotFoundError(f"{path} is not there; name a GGUF file")
    refuse_lfs_pointer(path)
    if find_spec("gguf") is None:
        raise ConfigurationError("reading GGUF needs the extra 'gguf': pip install 'shortstack[gguf]'")


def _from_gguf(path: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model loaded from GGUF refuses to be saved, so its tensors move into a fresh one."""
    require_gguf(path)
    place = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        with silenced_transformers():
            loaded, report = AutoModelForCausalLM.from_pretrained(
                **place, dtype=torch.float32, output_loading_info=True
            )
            config, tokenizer = AutoConfig.from_pretrained(**place), AutoTokenizer.from_pretrained(**place)
    except Exception as error:  # of many kinds; which architectures can be read is known to transformers alone
        raise DataError(f"{path} is no GGUF that transformers can read: {_line(error)}") from error
    require_whole(report, str(path))
    set_tied(config, tied=is_tied(loaded))  # else the head would be written over the embeddings
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    settle(model)
    return model, tokenizer


def _from_hub(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    try:
        with silenced_transformers():
            refuse_adapters(name)
            tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
            model, report = AutoModelForCausalLM.from_pretrained(
                name, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise SourceNotFoundError(
            f"teacher.path is {name!r}, which is no folder here and cannot be had from the hub ({_line(error)}); download "
            "it elsewhere and name its folder"
        ) from error
    require_whole(report, name)
    settle(model)
    return model, tokenizer


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
