"""Stage 1: ratings become histories. Only this stage reads the source and needs polars."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.files import write_json
from shortstack.stages.stage import Context, Stage

if TYPE_CHECKING:
    from shortstack.contracts import Records
    from shortstack.data.interactions import Fact
    from shortstack.registry import Registry
    from shortstack.run import Run
    from shortstack.run_settings import DataSettings

SEQUENCES = "sequences.safetensors"
IMPRESSIONS = "impressions.safetensors"
FACTS = "facts.json"
OF_THE_ADAPTER = frozenset({"source", "adapter", "settings"})
"""Settings that say what is read; whether that is the same is seen in the records."""
NOT_OF_ROWS = OF_THE_ADAPTER | {"split", "valid_share", "test_share"}


def _depends_on(run: "Run", registry: "Registry") -> object:  # noqa: ARG001 -- every stage takes both
    return [_without(run.data, OF_THE_ADAPTER), run.seed, run.task.build().reads]


def _reads(context: Context) -> str:
    """A digest of what the adapter reads today: of the records themselves, for not every source is a file."""
    from shortstack.blame import blaming
    from shortstack.data.records import digest_of

    with blaming(context.registry.find("dataset", context.run.data.adapter)):
        return digest_of(_records(context), _tables(context.run))


def _execute(context: Context, folder: Path) -> str:
    from shortstack.blame import blaming
    from shortstack.data.records import digest_of

    reads = context.run.task.build().reads
    # what is read lazily is read when the records are
    with blaming(context.registry.find("dataset", context.run.data.adapter)):
        records = _records(context)
        facts = (_shown if reads == "impressions" else _chosen)(records, context, folder)
        write_json(folder / FACTS, facts)
        return digest_of(records, _tables(context.run))


def _records(context: Context) -> "Records":
    """What the adapter reads; the tables that are needed are in memory."""
    from shortstack.data.records import read_once

    settings = context.run.data
    adapter = context.registry.build("dataset", settings.adapter, settings.settings)
    return read_once(adapter.read(settings.source), _tables(context.run))


def _tables(run: "Run") -> tuple[str, ...]:
    """The tables of the records that the run's task needs."""
    return ("items", "impressions" if run.task.build().reads == "impressions" else "interactions")


def _chosen(records: "Records", context: Context, folder: Path) -> "Mapping[str, Fact]":
    """What users chose, and how they rated it if that is the task."""
    from shortstack.data.interactions import Interactions
    from shortstack.data.splits import named_split, split

    settings = context.run.data
    rule = named_split(settings.split, valid=settings.valid_share, test=settings.test_share, seed=context.run.seed)
    interactions = Interactions.from_records(records, **preparation(context.run))
    if context.run.task.build().reads == "ratings":
        catalogue, ratings = interactions.rated()
        split(interactions, rule, ratings).save(folder / SEQUENCES)
    else:
        catalogue = interactions.catalogue()
        split(interactions, rule).save(folder / SEQUENCES)
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


def preparation(run: "Run") -> dict[str, Any]:
    """What is done to the rows, as ``shortstack.data.preparation.Preparation`` takes it."""
    return {"seed": run.seed, **_without(run.data, NOT_OF_ROWS)}


def _without(settings: "DataSettings", names: frozenset[str]) -> dict[str, object]:
    return {name: value for name, value in attrs.asdict(settings).items() if name not in names}


DATA = Stage(name="data", folder="data", after=(), depends_on=_depends_on, execute=_execute, reads=_reads)
