"""Stock models in local folders: read whole, or refused."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import find_adapter_config_file

from shortstack.errors import DataError, SourceNotFoundError
from shortstack.files import refuse_lfs_pointer
from shortstack.models.generation import settle_generation
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.padding import settle_padding
from shortstack.models.ties import settle_ties
from shortstack.models.weight_files import require_own_safetensors

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def stored_model(folder: Path, precision: Precision = "auto") -> PreTrainedModel:
    """The causal language model of a folder, on the CPU; runs no code from there and unpickles nothing.

    Its config is settled: see ``settle``.

    Args:
        folder: Holds ``config.json`` and safetensors.
        precision: The type of the weights; ``"auto"`` is the one they are stored in.

    Raises:
        SourceNotFoundError: There is no such folder.
        DataError: It holds no readable model, or not every weight: transformers would make up the missing ones at random.
            Or a file is a pointer of git-lfs. Or it holds adapters: transformers would look for their base elsewhere, and leave both unmerged.
    """
    if not folder.is_dir():
        raise SourceNotFoundError(f"{folder} is no folder; name one with config.json and safetensors")
    for file in sorted(folder.iterdir()):
        refuse_lfs_pointer(file)
    refuse_adapters(str(folder))
    require_own_safetensors(folder)
    try:
        with silenced_transformers():
            model, report = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=precision,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except MemoryError:
        raise
    except Exception as error:  # whatever a library raises of a damaged or foreign folder is one kind of error here
        raise DataError(
            f"{folder} holds no readable model: {' '.join(str(error).split())[:200] or type(error).__name__}"
        ) from error
    require_whole(report, str(folder))
    stored: PreTrainedModel = model
    settle(stored)
    return stored


def settle(model: PreTrainedModel) -> None:
    """Correct what a config says against the weights, and log it: tied weights, padding from the end, vain generation."""
    settle_ties(model)
    settle_padding(model)
    settle_generation(model)


def refuse_adapters(source: str) -> None:
    """Refuse a folder, or a name on the hub, that holds adapters alone.

    Raises:
        DataError: It does.
    """
    if find_adapter_config_file(source) is not None:
        raise DataError(
            f"{source} holds adapters, no whole model; merge them into their base with peft's merge_and_unload(), save "
            "that with save_pretrained(), and name its folder"
        )


def require_whole(report: Mapping[str, Collection[object]], source: str) -> None:
    """Refuse what transformers reports of loading a model: it makes up missing weights at random.

    Raises:
        DataError: A weight is missing, left over, or of another shape.
    """
    odd = {kind: sorted(map(str, names)) for kind, names in report.items() if names}
    if odd:
        kind, names = next(iter(odd.items()))
        raise DataError(f"the weights in {source} do not fit its config: {kind.replace('_', ' ')} {names[0]}")


def stored_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder; runs no code from there.

    Raises:
        DataError: It holds none.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # the tokenizers library raises its own kinds, and others of newer formats
        raise DataError(
            f"{folder} holds no readable tokenizer: copy the model's own there, such as tokenizer.json and "
            f"tokenizer_config.json ({' '.join(str(error).split())[:120]})"
        ) from error
    return tokenizer
