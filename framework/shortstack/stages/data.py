"""Stage 1: ratings become histories. Only this stage reads the source and needs polars."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.files import digest, write_json
from shortstack.stages.stage import SETTINGS, Context, Stage

if TYPE_CHECKING:
    from shortstack.registry import Registry
    from shortstack.run import DataSettings, Run

SEQUENCES = "sequences.safetensors"
FACTS = "facts.json"
NOT_OF_ROWS = {"source", "adapter", "settings", "split"}


def _depends_on(run: "Run", registry: "Registry") -> object:
    adapter = registry.find("dataset", run.data.adapter)
    files = [digest(file) for file in _files(run.data)]
    return [run.data, run.seed, files, adapter.identity]


def _files(settings: "DataSettings") -> list[Path]:
    """What the adapter may read: the source, and files beside it that its settings name."""
    source = Path(settings.source)
    named = [source.parent / name for name in settings.settings.values() if isinstance(name, str)]
    inside = sorted(_near(source)) if source.is_dir() else [source]
    return [path for path in (*inside, *named) if path.is_file()]


def _near(folder: Path) -> Iterator[Path]:
    """Everything in a folder and in its own folders, but for those that hold a run."""
    for entry in folder.iterdir():
        if entry.is_dir() and not (entry / SETTINGS).exists():
            yield from entry.iterdir()
        yield entry


def _execute(context: Context, folder: Path) -> None:
    from shortstack.blame import blaming
    from shortstack.data.interactions import Interactions
    from shortstack.data.splits import split

    settings = context.run.data
    adapter = context.registry.build("dataset", settings.adapter, settings.settings)
    # what is read lazily is read in from_records
    with blaming(context.registry.find("dataset", settings.adapter)):
        interactions = Interactions.from_records(
            adapter.read(settings.source), seed=context.run.seed, **_of_rows(settings)
        )
    split(interactions, settings.split).save(folder / SEQUENCES)
    interactions.catalogue().save(folder)
    write_json(folder / FACTS, interactions.facts())


def _of_rows(settings: "DataSettings") -> dict[str, object]:
    """The settings that say which rows stay, and in which order."""
    return {name: value for name, value in attrs.asdict(settings).items() if name not in NOT_OF_ROWS}


DATA = Stage(name="data", folder="data", after=(), depends_on=_depends_on, execute=_execute)
