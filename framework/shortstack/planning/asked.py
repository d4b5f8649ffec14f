"""The command's words become a config, budgets and an architecture; what it prints is a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import torch
from rich.table import Table

from shortstack.contracts import StudentArchitecture
from shortstack.errors import UnknownNameError
from shortstack.planning.amounts import budget_named, spoken
from shortstack.planning.plan import USUAL, Planned, plan
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
        vocabulary: How many items there are, for a teacher that is still to be trained.
    """

    source: Path
    budgets: Sequence[str] = ()
    architecture: str | None = None
    settings: Mapping[str, object] | None = None
    dtype: str | None = None
    vocabulary: int | None = None

    def rows(self, registry: Registry) -> list[Planned]:
        """The teacher and each budget.

        Raises:
            ShortstackError: A name, an amount or the source is wrong, or the family cannot be handled.
        """
        if self.dtype is not None and self.dtype not in TYPES:
            raise UnknownNameError("type", self.dtype, TYPES)
        run = Run.from_toml(self.source) if self.source.suffix == ".toml" else None
        config = config_in(self.source) if run is None else config_of_run(run, self.vocabulary)
        budgets = [budget_named(text) for text in self.budgets] or self._usual(run)
        dtype = TYPES[self.dtype] if self.dtype else None
        return plan(config, budgets, self._architecture(run, registry), dtype=dtype)

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
        found.append("The vocabulary is the items, which are not counted here: say how many with --vocabulary.")
    return found
