"""Stage 1: ratings become histories. Only this stage needs the source, polars, or a dataset adapter."""

from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.stages.stage import Context, Stage, write_json

if TYPE_CHECKING:
    from shortstack.registry import Registry
    from shortstack.run import Run

SEQUENCES = "sequences.safetensors"
FACTS = "facts.json"


def _depends_on(run: "Run", registry: "Registry") -> object:
    adapter = registry.find("dataset", run.data.adapter)
    return [run.data, run.seed, adapter.full_name, adapter.origin.version]


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
