"""Turn the arguments of ``plan`` into a config, budgets and an architecture, and its results into tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import torch
from rich.table import Table
from transformers import PreTrainedConfig

from shortstack.config.budget import BUDGETS, MEASURES, Budget
from shortstack.config.overrides import overridden
from shortstack.contracts import StudentArchitecture
from shortstack.errors import ConfigurationError, ShortstackError, UnknownNameError
from shortstack.planning.formatting import budget_named, formatted, formatted_time, gibibytes
from shortstack.planning.plan import USUAL, Forecast, Planned, plan
from shortstack.registry import Registry
from shortstack.run import Run
from shortstack.teachers.sources import config_in

if TYPE_CHECKING:
    from shortstack.run import Histories

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@attrs.frozen(kw_only=True)
class PlanReport:
    """Result of planning.

    Attributes:
        rows: The teacher, and the student of each budget.
        stages: Estimated time and memory of each stage of a run; empty if unknown.
        notes: Notes for the reader.
    """

    rows: Sequence[Planned]
    stages: Sequence[Forecast]
    notes: Sequence[str]


@attrs.frozen(kw_only=True)
class PlanRequest:
    """Request for a plan.

    Attributes:
        source: A model's folder, a ``config.json``, or a run's TOML file or folder.
        budgets: ``"name=amount"``; by default the run's own, or a half, a quarter and an eighth of the layers.
        architecture: A student architecture's name; by default the run's, or ``layer-subset``.
        overrides: ``"table.setting=value"``: what is changed in a run; without one, ``"setting=value"``, a setting of the
            architecture.
        dtype: The name of a type; by default the config's, or float32, in which a run works.
        vocabulary: Number of items, for a teacher that is still to learn them.
        users: Number of users, where a run's data are not available.
        tflops: Speed of the run's machine in TFLOP/s.
        processes: Number of processes that share a run's work.
        model: The config of a run's teacher, where that is not here.
    """

    source: Path
    budgets: Sequence[str] = ()
    architecture: str | None = None
    overrides: Sequence[str] = ()
    dtype: str | None = None
    vocabulary: int | None = None
    users: int | None = None
    tflops: float | None = None
    processes: int | None = None
    model: Path | None = None

    def answer(self, registry: Registry) -> "PlanReport":
        """Plan the teacher and each budget, and estimate the stages of a run.

        Raises:
            ShortstackError: A name, an amount or the source is wrong, or the family cannot be handled.
        """
        if self.dtype is not None and self.dtype not in TYPES:
            raise UnknownNameError("type", self.dtype, TYPES)
        run = self._run(registry)
        data = self._data(run, registry)
        items = self._items(run, data)
        config = self._config(run, items)
        rows, unmet = self._rows(config, self._architecture(run, registry), self._budgets(run))
        stages, notes = self._stages(run, registry, data)
        return PlanReport(rows=rows, stages=stages, notes=[*unmet, *self._notes(run, rows, items), *notes])

    def _rows(
        self, config: PreTrainedConfig, architecture: StudentArchitecture, budgets: Sequence[Budget]
    ) -> tuple[list[Planned], list[str]]:
        """Return the teacher and every budget that can be met, and a line for each that cannot.

        Raises:
            ConfigurationError: None of them can be met.
        """
        dtype = TYPES[self.dtype] if self.dtype else None
        rows, unmet = plan(config, [], architecture, dtype=dtype), list[ConfigurationError]()
        for budget in budgets:
            try:
                rows += plan(config, [budget], architecture, dtype=dtype)[1:]
            except ConfigurationError as error:
                unmet.append(error)
        if unmet and len(unmet) == len(budgets):
            raise unmet[0]
        return rows, [f"Not planned: {error}." for error in unmet]

    def _run(self, registry: Registry) -> Run | None:
        if not is_run(self.source):
            return None
        read = Run.from_toml if self.source.suffix == ".toml" else Run.of_folder
        return read(self.source, self.overrides, registry=registry)

    def _data(self, run: Run | None, registry: Registry) -> "Histories | None":
        """Return a run's data, if they are available and readable."""
        try:
            return None if run is None else run.histories(registry=registry)
        except ShortstackError:
            return None  # the reason is reported with the stages, which read the data again

    def _items(self, run: Run | None, data: "Histories | None") -> int | None:
        """Return the requested number of items, or else that in a run's data."""
        if run is None or self.vocabulary is not None or not run.learns_items:
            return self.vocabulary
        return None if data is None else data.rows(run)

    def _config(self, run: Run | None, items: int | None) -> PreTrainedConfig:
        if run is None:
            for name in ("users", "tflops", "processes", "model"):
                if getattr(self, name) is not None:
                    raise ConfigurationError(
                        f"--{name} is for a run's TOML file, and {self.source} is none; leave it out"
                    )
            return config_in(self.source)
        return run.teacher_config(items=items, model=self.model)

    def _stages(
        self, run: Run | None, registry: Registry, data: "Histories | None"
    ) -> tuple[list[Forecast], list[str]]:
        """Return the estimate of each stage of a run, or a note why there is none."""
        if run is None:
            return [], []
        try:
            config = run.teacher_config(model=self.model)
            stages = run.forecast(
                config,
                users=self.users,
                items=self.vocabulary,
                tflops=self.tflops,
                registry=registry,
                data=data,
                processes=self.processes or 1,
            )
        except ShortstackError as error:
            return [], [f"The time of the stages is not known: {error}"]
        return stages, []

    def _notes(self, run: Run | None, rows: Sequence[Planned], items: int | None) -> list[str]:
        """Return notes that qualify the figures."""
        notes = []
        if not all(row.alike for row in rows):
            notes.append("Its layers are not all alike: the figures are of evenly spaced ones.")
        if "cache_bytes" not in rows[0].costs:
            notes.append("The growth of the cache is not in the config of this family.")
        if run is not None and items is None and run.learns_items:
            notes.append("The first table does not count the items: say how many there are with --vocabulary.")
        return notes

    def _budgets(self, run: Run | None) -> list[Budget]:
        if self.budgets:
            return [budget_named(text) for text in self.budgets]
        return list(USUAL) if run is None else [Budget(**{name: getattr(run.selection, name) for name in BUDGETS})]

    def _architecture(self, run: Run | None, registry: Registry) -> StudentArchitecture:
        name = self.architecture or (run.student.architecture if run else "layer-subset")
        architecture: StudentArchitecture = registry.build("student", name, self._settings(name, run, registry))
        return architecture

    def _settings(self, architecture: str, run: Run | None, registry: Registry) -> Mapping[str, Any]:
        """Return the architecture's settings: the given ones or a run's; none of them suit another than the run's own."""
        if run is not None:
            return run.student.settings if self.architecture is None else {}
        return overridden({}, self.overrides, {(): lambda: registry.find("student", architecture).descriptor.config})


def is_run(source: Path) -> bool:
    """Return True if the source is a run: its TOML file, or its folder."""
    return source.suffix == ".toml" or (source / "run.json").is_file()


def table(rows: Sequence[Planned]) -> Table:
    """Return a table with one row per budget, amounts with their share of the teacher's."""
    measures = [name for name in MEASURES if name in rows[0].costs]
    report = Table("budget", "layers", *(_HEADS[name] for name in measures))
    for row in rows:
        cells = [_cell(row, name) for name in measures]
        report.add_row(row.budget or "the teacher", f"{len(row.kept)} of {row.of}", *cells)
    return report


def stages_table(stages: Sequence[Forecast]) -> Table:
    """Return a table with one row per stage."""
    on_disk = any(stage.disk_bytes for stage in stages)
    is_sent = any(stage.sent_bytes for stage in stages)
    more = [*(["teacher's states on disk"] if on_disk else []), *(["sent by each process"] if is_sent else [])]
    report = Table("stage", "time", "memory", *more)
    for stage in stages:
        disk = [gibibytes(stage.disk_bytes) if stage.disk_bytes else ""] if on_disk else []
        sent = [gibibytes(stage.sent_bytes) if stage.sent_bytes else ""] if is_sent else []
        report.add_row(stage.stage, formatted_time(stage.seconds), gibibytes(stage.memory_bytes), *disk, *sent)
    return report


_HEADS = {
    "parameters": "parameters",
    "body_parameters": "body",
    "bytes": "bytes on disk",
    "cache_bytes": "cache a token",
}


def _cell(row: Planned, name: str) -> str:
    share = f" ({row.shares[name]:.1%})" if row.budget and name in row.shares else ""
    return f"{formatted(row.costs[name])}{share}" if name in row.costs else "unknown"
