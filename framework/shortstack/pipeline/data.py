"""Stage 1: ratings become histories. Only this stage reads the source."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.config.given import value_of
from shortstack.errors import EmptyDataError
from shortstack.files import write_json
from shortstack.pipeline.stage import Context, Stage
from shortstack.run_layout import DATA, FACTS
from shortstack.tasks import Feedback, feedback_of, task_of

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.contracts import Records
    from shortstack.registry import Registry

OF_THE_ADAPTER = frozenset({"source", "adapter", "settings"})
"""Settings that only say what is read; a change of the data shows in the digest of the records instead."""


def _depends_on(run: "RunConfig", registry: "Registry") -> object:  # noqa: ARG001 -- every stage takes both
    settings = {name: value for name, value in attrs.asdict(run.data).items() if name not in OF_THE_ADAPTER}
    return [settings, run.seed, _feedback(run).name]


def _reads(context: Context) -> str:
    """Return a digest of the records that the adapter reads now; not of files, for not every source is one."""
    from shortstack.data.records import digest_of
    from shortstack.registry.isolation import plugin_errors

    with plugin_errors(context.registry.find("dataset", context.run.data.adapter)):
        return digest_of(_records(context), _feedback(context.run).tables)


def _execute(context: Context, folder: Path) -> str:
    from shortstack.data.records import digest_of
    from shortstack.registry.isolation import plugin_errors

    feedback, run = _feedback(context.run), context.run
    emptied: EmptyDataError | None = None
    with plugin_errors(context.registry.find("dataset", run.data.adapter)):
        records = _records(context)
        try:
            write_json(folder / FACTS, feedback.prepare(records, run.data, seed=run.seed, folder=folder))
        except (
            EmptyDataError
        ) as error:  # the filters' doing or the split's, not that of the adapter, which has read all
            emptied = error
    if emptied is not None:
        raise emptied
    return digest_of(records, feedback.tables)


def _records(context: Context) -> "Records":
    """Read the records, with the tables that the task needs in memory."""
    from shortstack.contracts import Records
    from shortstack.data.given_tables import readable
    from shortstack.data.records import read_once

    data, tables = context.run.data, _feedback(context.run).tables
    built_in = isinstance(task_of(context.run.task).reads, str)
    if isinstance(value_of(data.source), Records):
        return read_once(value_of(data.source), tables, as_codes=built_in)
    with readable(data) as settings:
        adapter = context.registry.build("dataset", settings.adapter, settings.settings)
        return read_once(adapter.read(value_of(settings.source)), tables, as_codes=built_in)


def _named(run: "RunConfig") -> object:
    return {name: value for name, value in attrs.asdict(run.data).items() if name in OF_THE_ADAPTER}


def _feedback(run: "RunConfig") -> Feedback:
    return feedback_of(task_of(run.task).reads)


DATA_STAGE = Stage(
    name="data", folder=DATA, after=(), depends_on=_depends_on, execute=_execute, reads=_reads, names=_named
)
