"""A pretrained language model with its tokenizer: from a folder, a GGUF file, or the hub."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import cached_file

from shortstack.boundaries import read_as
from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.files import refuse_lfs_pointer
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.stored import refuse_adapters, require_whole, settle, stored_model, stored_tokenizer
from shortstack.models.ties import is_tied, set_tied
from shortstack.models.weight_files import CONFIG, INDEX, require_own_safetensors

_HUB_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+")


def language_model(source: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a model in float32 on the CPU and its tokenizer; runs no code from the source and unpickles nothing.

    Args:
        source: A folder, a file that ends in ``.gguf``, or a name on the hub, such as ``"HuggingFaceTB/SmolLM2-135M"``.

    Raises:
        SourceNotFoundError: The source is neither a local path nor available from the hub.
        DataError: The source cannot be read.
        ConfigurationError: The package ``gguf`` is missing, or the tokenizer belongs to another model.
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
    """Return True if the path has the suffix ``.gguf``, in any case.

    >>> is_gguf(Path("model.Q8_0.GGUF"))
    True
    """
    return path.suffix.lower() == ".gguf"


def may_be_on_the_hub(path: str) -> bool:
    """Return True if the path looks like ``owner/name`` on the hub, and not like a file missing from a folder.

    >>> may_be_on_the_hub("HuggingFaceTB/SmolLM2-135M"), may_be_on_the_hub("teacher.gguf")
    (True, False)
    """
    return not is_gguf(Path(path)) and bool(_HUB_NAME.fullmatch(path)) and not Path(path).parent.is_dir()


def require_own(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: str) -> None:
    """Raise if the tokenizer is larger than the vocabulary, or disagrees with the config on both ends of a text.

    Raises:
        ConfigurationError: The tokenizer belongs to another model.
    """
    rows, config = model.get_input_embeddings().num_embeddings, model.config.get_text_config()
    if len(tokenizer) > rows:
        raise ConfigurationError(
            f"the tokenizer of {source} has {len(tokenizer)} tokens, but the model knows {rows}; give the model its own"
        )
    # a chat model may end a text with another token than its config, so one end alone is no evidence
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    if None not in {begin, end, config.bos_token_id, *ends} and begin != config.bos_token_id and end not in ends:
        raise ConfigurationError(
            f"the tokenizer of {source} begins and ends texts with the tokens {begin} and {end}, its config.json with "
            f"{config.bos_token_id} and {config.eos_token_id}: it belongs to another model; give the model its own, or, if it is, put its "
            "bos_token_id and eos_token_id into config.json"
        )


def require_gguf(path: Path) -> None:
    """Raise if a GGUF file, or the package that reads it, is missing.

    Raises:
        SourceNotFoundError: There is no such file.
        DataError: The file is a git-lfs pointer.
        ConfigurationError: The package ``gguf`` is missing.
    """
    if not path.is_file():
        raise SourceNotFoundError(f"{path} is not there; name a GGUF file")
    refuse_lfs_pointer(path)
    if find_spec("gguf") is None:
        raise ConfigurationError("reading GGUF needs the extra 'gguf': pip install 'shortstack[gguf]'")


def _from_gguf(path: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a GGUF file; its tensors are copied into a fresh model, since one loaded from GGUF cannot be saved."""
    require_gguf(path)
    place = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    # which architectures can be read is known to transformers alone
    with read_as(path, "is no GGUF that transformers can read"), silenced_transformers():
        loaded, report = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32, output_loading_info=True)
        config, tokenizer = AutoConfig.from_pretrained(**place), AutoTokenizer.from_pretrained(**place)
    require_whole(report, str(path))
    set_tied(config, tied=is_tied(loaded))  # else the head would be written over the embeddings
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    settle(model)
    return model, tokenizer


def _from_hub(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    with silenced_transformers():
        snapshot = hub_snapshot(name)
        require_own_safetensors(snapshot)
        with read_as(name, "holds no model that can be loaded"):
            place = {"revision": snapshot.name, "trust_remote_code": False}  # the one whose index was looked at
            tokenizer = AutoTokenizer.from_pretrained(name, **place)
            model, report = AutoModelForCausalLM.from_pretrained(
                name, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **place
            )
            require_whole(report, name)
            settle(model)
    return model, tokenizer


def hub_snapshot(name: str) -> Path:
    """Return the folder of the hub's cache with a model's config, and the index of its weights if it has one.

    Raises:
        SourceNotFoundError: They are neither in the cache nor can be downloaded.
        DataError: The name is of adapters alone.
    """
    wrong = "is no folder here and cannot be downloaded from the hub"
    with read_as(name, wrong, "download it elsewhere and name its folder", error=SourceNotFoundError):
        refuse_adapters(name)
        cached_file(name, INDEX, _raise_exceptions_for_missing_entries=False)
        return Path(cached_file(name, CONFIG)).parent
