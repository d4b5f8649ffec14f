"""Stage 1: ratings become histories. Only this stage reads the source and needs polars."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.files import digest, write_json
from shortstack.stages.stage import SETTINGS, Context, Stage

if TYPE_CHECKING:
    from shortstack.contracts import Records
    from shortstack.data.interactions import Fact
    from shortstack.registry import Registry
    from shortstack.run import Run
    from shortstack.run_settings import DataSettings

SEQUENCES = "sequences.safetensors"
IMPRESSIONS = "impressions.safetensors"
FACTS = "facts.json"
NOT_OF_ROWS = {"source", "adapter", "settings", "split"}


def _depends_on(run: "Run", registry: "Registry") -> object:
    adapter = registry.find("dataset", run.data.adapter)
    files = [digest(file) for file in _files(run.data)]
    return [run.data, run.seed, files, adapter.identity, run.task.build().reads]


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

    settings = context.run.data
    adapter = context.registry.build("dataset", settings.adapter, settings.settings)
    reads = context.run.task.build().reads
    # what is read lazily is read when the records are
    with blaming(context.registry.find("dataset", settings.adapter)):
        records = adapter.read(settings.source)
        facts = (_shown if reads == "impressions" else _chosen)(records, context, folder)
    write_json(folder / FACTS, facts)


def _chosen(records: "Records", context: Context, folder: Path) -> "Mapping[str, Fact]":
    """What users chose, and how they rated it if that is the task."""
    from shortstack.data.interactions import Interactions
    from shortstack.data.splits import split

    settings = context.run.data
    interactions = Interactions.from_records(records, seed=context.run.seed, **_of_rows(settings))
    if context.run.task.build().reads == "ratings":
        catalogue, ratings = interactions.rated()
        split(interactions, settings.split, ratings).save(folder / SEQUENCES)
    else:
        catalogue = interactions.catalogue()
        split(interactions, settings.split).save(folder / SEQUENCES)
    catalogue.save(folder)
    return interactions.facts()


def _shown(records: "Records", context: Context, folder: Path) -> "Mapping[str, Fact]":
    """What users were shown."""
    from shortstack.data.shown import Shown

    shown = Shown.from_records(records, split=context.run.data.split, seed=context.run.seed)
    shown.impressions.save(folder / IMPRESSIONS)
    shown.sequences.save(folder / SEQUENCES)
    shown.catalogue.save(folder)
    return shown.facts


def _of_rows(settings: "DataSettings") -> dict[str, object]:
    """The settings that say which rows stay, and in which order."""
    return {name: value for name, value in attrs.asdict(settings).items() if name not in NOT_OF_ROWS}


DATA = Stage(name="data", folder="data", after=(), depends_on=_depends_on, execute=_execute)
