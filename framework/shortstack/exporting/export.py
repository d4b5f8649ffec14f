"""Export of a recommender: trace it, write it, prove what was written, and only then show it."""

import copy
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from numbers import Integral
from pathlib import Path
from typing import Any, Final

import attrs
import torch
from transformers import PreTrainedModel

from shortstack.digests import seal
from shortstack.errors import ConfigurationError, RunFolderError
from shortstack.exporting.formats import Format, format_of
from shortstack.exporting.graph import BestItems
from shortstack.exporting.histories import Calibration, drawn_histories, validation_users
from shortstack.exporting.proof import Proof, prove
from shortstack.exporting.tracing import traced
from shortstack.full_disk import full_disks_named
from shortstack.models.frozen import frozen_copy
from shortstack.recommender import Recommender

RECORD: Final = "export.json"
"""Format, versions, the proof, and a digest of every file."""
CATALOGUE: Final = "catalogue.json"
READER: Final = "recommend.py"
_PACKAGES: Final = ("shortstack", "torch", "transformers")


def export_recommender(
    source: Recommender | str | Path,
    out: str | Path,
    *,
    format: str = "onnx",  # noqa: A002 -- as on the command line
    k: int = 10,
) -> Proof:
    """Export a recommender to a folder, as one graph from histories to the best items.

    Args:
        source: The recommender, or the folder of one; the validation users of the run that holds the folder take part in the proof.
        out: A folder that does not exist yet.
        format: ``"onnx"``, ``"int8"`` or ``"torch-export"``.
        k: Number of items that the graph recommends; readers may use fewer.

    Returns:
        How near the export is to the recommender, as ``export.json`` has it.

    Raises:
        RunFolderError: ``out`` exists.
        ConfigurationError: ``k`` is below 1 or above the number of items, the recommender rates, or a package is missing.
        UnknownNameError: There is no such format.
        UnsupportedModelError: The model's family cannot be traced, or has no counterpart in the format.
        ProofError: The export answers otherwise than the recommender; nothing is written.
        DataError: The folder is damaged.
    """
    kind, out = format_of(format), Path(out)
    if out.exists() or out.is_symlink():
        raise RunFolderError(f"{out} exists already; choose a new folder")
    recommender, calibrations = _loaded(source)
    _require_items(recommender, k)
    with _appearing(out) as folder:
        kind.write(traced(BestItems(recommender, k), recommender.window), folder)
        proof = prove(recommender, kind.load(folder), k, calibrations, kind.limits)
        _write_catalogue(folder, recommender, k)
        if kind.reader:
            shutil.copyfile(reader_file(), folder / READER)
        seal(folder, RECORD, _record(format, kind, recommender, k, proof))
    return proof


def _loaded(source: Recommender | str | Path) -> tuple[Recommender, list[Calibration]]:
    """Return a recommender in float32 on the CPU, in evaluation mode, and the histories to prove it on."""
    stored = source if isinstance(source, Recommender) else Recommender.from_pretrained(source)
    users = None if isinstance(source, Recommender) else validation_users(Path(source), stored.catalogue)
    drawn = drawn_histories(len(stored.catalogue), stored.window)
    return attrs.evolve(stored, model=_float32(stored.model)), [*([users] if users else []), drawn]


def _float32(model: PreTrainedModel) -> PreTrainedModel:
    if model.device.type != "cpu" or model.dtype != torch.float32:
        model = copy.deepcopy(model).to("cpu", torch.float32)
    return frozen_copy(model)


def _require_items(recommender: Recommender, k: object) -> None:
    """Raise if a recommender has no such number of items to recommend."""
    if recommender.catalogue.options:
        raise ConfigurationError(
            "this model rates items and does not rank them, so there is no list of items to export; export a recommender of the task 'next-item'"
        )
    items = len(recommender.catalogue)
    if not isinstance(k, Integral) or isinstance(k, bool) or not 1 <= int(k) <= items:
        raise ConfigurationError(f"k must be a whole number from 1 to {items}, the number of items, got {k!r}")


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """Yield a folder that becomes ``out`` at the end; nothing is left of it if an error ends the context."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        full_disks_named(out.parent, str(out)),
        tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as unfinished,
    ):
        folder = Path(unfinished) / out.name
        folder.mkdir()
        yield folder
        folder.rename(out)


def reader_file() -> Path:
    """Return the file that is written beside an export as ``recommend.py``."""
    return Path(__file__).with_name("reader.py")


def _write_catalogue(folder: Path, recommender: Recommender, k: int) -> None:
    items = [{"id": item.id, "title": item.title} for item in recommender.catalogue.items]
    contents = {"window": recommender.window, "seen": recommender.seen, "k": k, "items": items}
    (folder / CATALOGUE).write_text(json.dumps(contents), encoding="utf-8")


def _record(name: str, kind: Format, recommender: Recommender, k: int, proof: Proof) -> dict[str, Any]:
    return {
        "format": name,
        "model": type(recommender.model).__name__,
        "window": recommender.window,
        "k": k,
        "proof": attrs.asdict(proof),
        "limits": attrs.asdict(kind.limits),
        "versions": {name: import_module(name).__version__ for name in (*_PACKAGES, *kind.packages)},
    }
