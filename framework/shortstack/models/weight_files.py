"""Which files a model's weights are read from: safetensors in its own folder, and nothing else."""

from pathlib import Path, PurePath
from typing import Any, Final

from shortstack.boundaries import json_object
from shortstack.errors import DataError
from shortstack.models.config_bounds import out_of_bounds

CONFIG: Final = "config.json"
INDEX: Final = "model.safetensors.index.json"
_MOST_WEIGHTS_A_BYTE: Final = 8
_SMALL: Final = 1 << 24
"""Weights that may be allocated whatever the files hold."""


def require_own_safetensors(folder: Path) -> None:
    """Refuse a folder whose config or index names weights outside it, or weights that are unpickled.

    transformers reads whatever file the index names, with ``torch.load`` where it is no safetensors. Sizes that no weights
    in the folder can fill are refused as well, for torch would allocate them first.

    Raises:
        DataError: It does; the message names the file and the entry.
    """
    config = config_table(folder / CONFIG)
    _require_fitting_sizes(folder, config)
    weights = config.get("transformers_weights")
    if weights is not None:
        _require_plain(folder / CONFIG, "transformers_weights", weights, (".safetensors", ".safetensors.index.json"))
    for index in sorted({folder / INDEX, *folder.glob("*.index.json")}):
        named = _table(index).get("weight_map", {})
        if not isinstance(named, dict):
            raise DataError(f"{index} must hold a table weight_map of names and files, got {named!r:.60}")
        for tensor, file in named.items():
            _require_plain(index, f"weight_map[{tensor!r}]", file, (".safetensors",))


def config_table(path: Path) -> dict[str, Any]:
    """Read a ``config.json``; empty where there is none.

    Raises:
        DataError: It is no JSON object, or gives a size that no model has.
    """
    config = _table(path)
    problem = out_of_bounds(config)
    if problem:
        raise DataError(f"{path} is no config of a model: {problem}")
    return config


def _require_fitting_sizes(folder: Path, config: dict[str, Any]) -> None:
    """The embeddings alone are not many times larger than all weight files, even if these hold four bits a weight."""
    text = config.get("text_config", config)
    rows, width = (text.get(name) for name in ("vocab_size", "hidden_size")) if isinstance(text, dict) else (None, None)
    held = sum(file.stat().st_size for file in folder.glob("*.safetensors") if file.is_file())
    if (
        isinstance(rows, int)
        and isinstance(width, int)
        and held
        and rows * width > _MOST_WEIGHTS_A_BYTE * held + _SMALL
    ):
        raise DataError(
            f"{folder / CONFIG} describes embeddings of {rows:,} × {width:,}, and the weights in the folder have {held:,} bytes: "
            "they do not fit its config"
        )


def _require_plain(place: Path, entry: str, name: object, endings: tuple[str, ...]) -> None:
    if not isinstance(name, str) or PurePath(name).name != name or not name.endswith(endings):
        raise DataError(
            f"{place} names the weights {name!r:.80} in {entry}; weights are read from {' or '.join(endings)} in the folder alone"
        )


def _table(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file."""
    return json_object(path) if path.is_file() else {}
