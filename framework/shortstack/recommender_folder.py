"""Folder of a recommender: its model, its items and, written last, ``recommender.json``, which marks it complete."""

import json
import tempfile
from pathlib import Path
from typing import Any, Final, get_args

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from shortstack.boundaries import json_object
from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Seen
from shortstack.digests import require_whole
from shortstack.errors import DataError, RunFolderError, SourceNotFoundError
from shortstack.files import write_through
from shortstack.models.generation import settle_generation
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.older_readers import write_former_names, write_former_tokenizer
from shortstack.models.saving import save_model
from shortstack.models.stored import stored_model, stored_tokenizer

FILE: Final = "recommender.json"
"""Window of the model, and its rule for seen items."""
TOKENIZER: Final = "tokenizer_config.json"
"""Only beside a language model that knows words."""


def read_folder(folder: Path) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return the model on the CPU, and the other arguments of a ``Recommender``, of a folder that ``write_folder`` wrote.

    Raises:
        SourceNotFoundError: The folder, its items or its ``recommender.json`` do not exist.
        DataError: A file is invalid, weights are missing, or a run made the folder and a file is not as it was written.
    """
    require_whole(folder)
    fields, catalogue = read_rules(folder), Catalogue.load(folder)
    model = _apart_from_files(stored_model(folder))
    tokenizer = stored_tokenizer(folder) if (folder / TOKENIZER).is_file() else None
    return model, {"catalogue": catalogue, "tokenizer": tokenizer, **fields}


def read_rules(folder: Path) -> dict[str, Any]:
    """Return ``window``, and ``seen``, the rule for items of the history; folders of earlier versions lack the rule.

    Raises:
        SourceNotFoundError: There is no ``recommender.json``.
        DataError: It is invalid.
    """
    path = folder / FILE
    if not path.is_file():
        raise SourceNotFoundError(f"{path} is not there: {folder} is no recommender that shortstack saved")
    fields = json_object(path, 'must say {"window": N}')
    window, seen = fields.get("window"), fields.get("seen", "exclude")
    if not isinstance(window, int) or isinstance(window, bool):
        raise DataError(f"{path} must say a whole number as window, got {window!r}")
    if seen not in get_args(Seen):
        raise DataError(f"{path} must say 'exclude' or 'include' as seen, got {seen!r}")
    return {"window": window, "seen": seen}


def _apart_from_files(model: PreTrainedModel) -> PreTrainedModel:
    """Copy weights that are mapped from a file.

    Who writes into the file would change answers or end the process; and where a weight begins in it changes the last
    bits of products.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()
    return model


def write_folder(
    folder: Path,
    model: PreTrainedModel,
    catalogue: Catalogue,
    tokenizer: PreTrainedTokenizerBase | None,
    *,
    window: int,
    seen: Seen,
) -> None:
    """Write the parts of a recommender into a folder, ``recommender.json`` last.

    Raises:
        RunFolderError: The folder holds a recommender already, or is a file.
    """
    if folder.is_file() or (folder / FILE).exists():
        raise RunFolderError(f"{folder} holds a recommender already; choose a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    settle_generation(model)
    write_former_names(model.config)
    with (
        silenced_transformers(),
        tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as unfinished,
    ):
        save_model(model, unfinished)
        catalogue.save(Path(unfinished))
        if tokenizer is not None:
            tokenizer.save_pretrained(unfinished)
            write_former_tokenizer(Path(unfinished))
        for file in sorted(Path(unfinished).iterdir()):
            write_through(file)
            file.replace(folder / file.name)
        (Path(unfinished) / FILE).write_text(
            json.dumps({"schema": 1, "window": window, "seen": seen}) + "\n", encoding="utf-8"
        )
        write_through(Path(unfinished) / FILE)
        # last: a folder without this file counts as incomplete
        (Path(unfinished) / FILE).replace(folder / FILE)
        write_through(folder)
