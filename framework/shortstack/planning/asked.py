"""The command's words become a config, budgets and an architecture; what it prints is a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import torch
from rich.table import Table
from transformers import PreTrainedConfig

from shortstack.contracts import StudentArchitecture
from shortstack.errors import ShortstackError, UnknownNameError
from shortstack.planning.amounts import budget_named, spoken, spoken_time
from shortstack.planning.plan import USUAL, Forecast, Planned, plan
from shortstack.planning.sources import config_in, config_of_run
from shortstack.registry import Registry
from shortstack.run import Run
from shortstack.selection.budgets import MEASURES, Budget

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@attrs.frozen(kw_only=True)
class Asked:
    """What to plan.

    Attributes:
        source: A model's folder, a ``config.json``, or a run's TOML file.
        budgets: ``"name=amount"``; by default the run's own, or a half, a quarter and an eighth of the layers.
        architecture: A student architecture's name; by default the run's, or ``layer-subset``.
        settings: Its settings, in place of the run's.
        dtype: The name of a type; by default the config's.
        vocabulary: How many items there are, for a teacher that is still to learn them.
        users: How many users there are, where a run's data are not here.
        tflops: How fast the machine is that a run is for.
        model: The config of a run's teacher, where that is not here.
    """

    source: Path
    budgets: Sequence[str] = ()
    architecture: str | None = None
    settings: Mapping[str, object] | None = None
    dtype: str | None = None
    vocabulary: int | None = None
    users: int | None = None
    tflops: float | None = None
    model: Path | None = None

    def rows(self, registry: Registry) -> list[Planned]:
        """The teacher and each budget.

        Raises:
            ShortstackError: A name, an amount or the source is wrong, or the family cannot be handled.
        """
        if self.dtype is not None and self.dtype not in TYPES:
            raise UnknownNameError("type", self.dtype, TYPES)
        run = self._run()
        config = self._config(run)
        budgets = [budget_named(text) for text in self.budgets] or self._usual(run)
        dtype = TYPES[self.dtype] if self.dtype else None
        return plan(config, budgets, self._architecture(run, registry), dtype=dtype)

    def stages(self, registry: Registry) -> list[Forecast] | str:
        """What each stage of a run will take, or why that cannot be told; nothing of a model alone."""
        run = self._run()
        if run is None:
            return []
        config = self._config(run)
        try:
            return run.forecast(config, users=self.users, items=self.vocabulary, tflops=self.tflops, registry=registry)
        except ShortstackError as error:
            return f"What the stages take is not told: {error}"

    def _run(self) -> Run | None:
        return Run.from_toml(self.source) if self.source.suffix == ".toml" else None

    def _config(self, run: Run | None) -> PreTrainedConfig:
        if run is None:
            return config_in(self.source)
        return config_in(self.model) if self.model else config_of_run(run, self.vocabulary)

    def _usual(self, run: Run | None) -> list[Budget]:
        if run is None:
            return list(USUAL)
        return [Budget(**{field.name: getattr(run.selection, field.name) for field in attrs.fields(Budget)})]

    def _architecture(self, run: Run | None, registry: Registry) -> StudentArchitecture:
        name = self.architecture or (run.student.architecture if run else "layer-subset")
        theirs = run.student.settings if run and self.architecture is None else {}
        found: StudentArchitecture = registry.build("student", name, self.settings or theirs)
        return found


def table(rows: Sequence[Planned]) -> Table:
    """One row a budget, amounts with their share of the teacher's."""
    measures = [name for name in MEASURES if name in rows[0].costs]
    found = Table("budget", "layers", *(_HEADS[name] for name in measures))
    for row in rows:
        cells = [_cell(row, name) for name in measures]
        found.add_row(row.budget or "the teacher", f"{len(row.kept)} of {row.of}", *cells)
    return found


def stages_table(stages: Sequence[Forecast]) -> Table:
    """One row a stage."""
    found = Table("stage", "time", "memory")
    for stage in stages:
        found.add_row(stage.stage, spoken_time(stage.seconds), f"{stage.memory_bytes / 2**30:.1f} GiB")
    return found


_HEADS = {
    "parameters": "parameters",
    "body_parameters": "body",
    "bytes": "bytes on disk",
    "cache_bytes": "cache a token",
}


def _cell(row: Planned, name: str) -> str:
    share = f" ({row.shares[name]:.1%})" if row.budget and name in row.shares else ""
    return f"{spoken(row.costs[name])}{share}" if name in row.costs else "unknown"


def notes(asked: Asked, rows: Sequence[Planned]) -> list[str]:
    """What a reader must know to trust the figures."""
    found = []
    if not all(row.alike for row in rows):
        found.append("Its layers are not all alike: the figures are of evenly spaced ones.")
    if "cache_bytes" not in rows[0].costs:
        found.append("How the cache of this family grows cannot be told from its config.")
    if asked.source.suffix == ".toml" and asked.vocabulary is None:
        found.append("The items are not counted in this table: say how many there are with --vocabulary.")
    return found
