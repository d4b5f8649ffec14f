"""Which files a model's weights are read from: safetensors in its own folder, and nothing else."""

import json
from pathlib import Path, PurePath
from typing import Any, Final

from shortstack.errors import DataError

CONFIG: Final = "config.json"
INDEX: Final = "model.safetensors.index.json"


def require_own_safetensors(folder: Path) -> None:
    """Refuse a folder whose config or index names weights outside it, or weights that are unpickled.

    transformers reads whatever file the index names, with ``torch.load`` where it is no safetensors.

    Raises:
        DataError: It does; the message names the file and the entry.
    """
    config = _table(folder / CONFIG)
    weights = config.get("transformers_weights")
    if weights is not None:
        _require_plain(folder / CONFIG, "transformers_weights", weights, (".safetensors", ".safetensors.index.json"))
    for index in sorted({folder / INDEX, *folder.glob("*.index.json")}):
        named = _table(index).get("weight_map", {})
        if not isinstance(named, dict):
            raise DataError(f"{index} must hold a table weight_map of names and files, got {named!r:.60}")
        for tensor, file in named.items():
            _require_plain(index, f"weight_map[{tensor!r}]", file, (".safetensors",))


def _require_plain(place: Path, entry: str, name: object, endings: tuple[str, ...]) -> None:
    if not isinstance(name, str) or PurePath(name).name != name or not name.endswith(endings):
        raise DataError(
            f"{place} names the weights {name!r:.80} in {entry}; weights are read from {' or '.join(endings)} in the folder alone"
        )


def _table(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {str(error).splitlines()[0]}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} must hold a JSON object, got {type(found).__name__}")
    return found
