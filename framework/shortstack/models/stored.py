"""Stock models in local folders: read completely, or refused."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import find_adapter_config_file

from shortstack.boundaries import read_as
from shortstack.digests import require_whole as require_whole_folder
from shortstack.errors import DataError, SourceNotFoundError
from shortstack.files import refuse_lfs_pointer
from shortstack.models.generation import settle_generation
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.padding import settle_padding
from shortstack.models.ties import settle_ties
from shortstack.models.weight_files import require_own_safetensors

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def stored_model(folder: Path, precision: Precision = "auto") -> PreTrainedModel:
    """Load the causal language model of a folder, on the CPU; runs no code from there and unpickles nothing.

    Its config is corrected: see ``settle``.

    Args:
        folder: Holds ``config.json`` and safetensors.
        precision: The dtype of the weights; ``"auto"`` is the stored one.

    Raises:
        SourceNotFoundError: There is no such folder.
        DataError: The folder holds no readable model; or lacks a weight, which transformers would draw at random; or a
            run made it, and it is not as it was written; or a file is a git-lfs pointer; or it holds adapters, whose base transformers would look for elsewhere and leave
            unmerged.
    """
    if not folder.is_dir():
        raise SourceNotFoundError(f"{folder} is no folder; name one with config.json and safetensors")
    for file in sorted(folder.iterdir()):  # a pointer would fail below, as weights that cannot be read
        refuse_lfs_pointer(file)
    require_whole_folder(folder)
    refuse_adapters(str(folder))
    require_own_safetensors(folder)
    with read_as(folder, "holds no readable model"), silenced_transformers():
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=precision,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
        require_whole(report, str(folder))
        stored: PreTrainedModel = model
        settle(stored)
    return stored


def settle(model: PreTrainedModel) -> None:
    """Correct a config that contradicts the weights, and log it: tied weights, padding, and generation fields."""
    settle_ties(model)
    settle_padding(model)
    settle_generation(model)


def refuse_adapters(source: str) -> None:
    """Raise if a folder, or a name on the hub, holds adapters alone.

    Raises:
        DataError: The source holds adapters.
    """
    if find_adapter_config_file(source) is not None:
        raise DataError(
            f"{source} holds adapters, no whole model; merge them into their base with peft's merge_and_unload(), save "
            "that with save_pretrained(), and name its folder"
        )


def require_whole(report: Mapping[str, Collection[object]], source: str) -> None:
    """Raise if transformers' loading report lists any mismatch: it draws missing weights at random.

    Raises:
        DataError: A weight is missing, left over, or of another shape.
    """
    odd = {kind: sorted(map(str, names)) for kind, names in report.items() if names}
    if odd:
        kind, names = next(iter(odd.items()))
        raise DataError(f"the weights in {source} do not fit its config: {kind.replace('_', ' ')} {names[0]}")


def stored_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a folder; runs no code from there.

    Raises:
        DataError: The folder holds no readable tokenizer.
    """
    advice = "copy the model's own there, such as tokenizer.json and tokenizer_config.json"
    with read_as(folder, "holds no readable tokenizer", advice):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    return tokenizer
