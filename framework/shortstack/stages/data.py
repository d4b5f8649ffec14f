"""Stage 1: ratings become histories. Only this stage needs the source, polars, or a dataset adapter."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.stages.stage import Context, Stage, write_json

if TYPE_CHECKING:
    from shortstack.registry import Registry
    from shortstack.run import DataSettings, Run

SEQUENCES = "sequences.safetensors"
FACTS = "facts.json"


def _depends_on(run: "Run", registry: "Registry") -> object:
    adapter = registry.find("dataset", run.data.adapter)
    files = [_digest(file) for file in _files(run.data)]
    return [run.data, run.seed, files, adapter.full_name, adapter.origin.version]


def _files(settings: "DataSettings") -> list[Path]:
    """What the adapter may read: the source, and files beside it that its settings name."""
    source = Path(settings.source)
    named = [source.parent / name for name in settings.settings.values() if isinstance(name, str)]
    inside = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    return [path for path in (*inside, *named) if path.is_file()]


def _digest(path: Path) -> list[str]:
    """A file's name and a hash of its content: the same path may hold other ratings tomorrow."""
    with path.open("rb") as file:
        return [path.name, hashlib.file_digest(file, "sha256").hexdigest()]


def _execute(context: Context, folder: Path) -> None:
    from shortstack.data.interactions import Interactions
    from shortstack.data.splits import split

    settings = context.run.data
    adapter = context.registry.build("dataset", settings.adapter, settings.settings)
    interactions = Interactions.from_records(
        adapter.read(settings.source),
        seed=context.run.seed,
        core=settings.core,
        min_rating=settings.min_rating,
        duplicates=settings.duplicates,
        ties=settings.ties,
    )
    split(interactions, settings.split).save(folder / SEQUENCES)
    interactions.catalogue().save(folder)
    write_json(folder / FACTS, interactions.facts())


DATA = Stage(name="data", folder="data", after=(), depends_on=_depends_on, execute=_execute)
