"""A pretrained language model with its tokenizer: from a folder, a GGUF file, or the hub."""

from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from shortstack.errors import ConfigurationError, DataError, SourceNotFoundError
from shortstack.models.quiet import no_progress_bars
from shortstack.models.stored import refuse_adapters, require_whole, stored_model, stored_tokenizer


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
    if path.suffix == ".gguf":
        model, tokenizer = _from_gguf(path)
    elif path.is_dir():
        model, tokenizer = stored_model(path, "float32"), stored_tokenizer(path)
    else:
        model, tokenizer = _from_hub(source)
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise ConfigurationError(
            f"the tokenizer of {source} has {len(tokenizer)} tokens, but the model knows {rows}; give the model its own"
        )
    return model, tokenizer


def require_gguf(path: Path) -> None:
    """The file is there, and so is what reads it.

    Raises:
        SourceNotFoundError: The file is not there.
        ConfigurationError: The package ``gguf`` is missing.
    """
    if not path.is_file():
        raise SourceNotFoundError(f"{path} is not there; name a GGUF file")
    if find_spec("gguf") is None:
        raise ConfigurationError("reading GGUF needs the extra 'gguf': pip install 'shortstack[gguf]'")


def _from_gguf(path: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model loaded from GGUF refuses to be saved, so its tensors move into a fresh one."""
    require_gguf(path)
    place = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        with no_progress_bars():
            loaded, report = AutoModelForCausalLM.from_pretrained(
                **place, dtype=torch.float32, output_loading_info=True
            )
            config, tokenizer = AutoConfig.from_pretrained(**place), AutoTokenizer.from_pretrained(**place)
    except Exception as error:  # of many kinds; which architectures can be read is known to transformers alone
        raise DataError(f"{path} is no GGUF that transformers can read: {_line(error)}") from error
    require_whole(report, str(path))
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    return model, tokenizer


def _from_hub(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    try:
        with no_progress_bars():
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
    return model, tokenizer


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
