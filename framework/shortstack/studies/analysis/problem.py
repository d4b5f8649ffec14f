"""Settings of a study and the problems, a data set and a task, that they were evaluated on."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from shortstack.config.writer import name_in_record
from shortstack.result import RunResult
from shortstack.studies.outcome import Outcome, Row

_WITHOUT_SCORES: Final = frozenset({"first", "last", "ends", "uniform", "random", "greedy"})
"""Strategies that select the same layers whatever the scores."""

Estimate = tuple[float, float, float]
"""A value, and its interval."""


@attrs.frozen(kw_only=True, eq=False)
class Setting:
    """The runs that differ in their seed alone.

    Attributes:
        values: Column → value: the variant, and the axes by their paths, but for the seed.
        runs: The finished runs, at least one.
        rows: Model → its rows of the study's table, one a run.
        label: The values that differ between the settings of a problem, as one text.
        series: The same without the axes that say how much is kept.
    """

    values: Mapping[str, Any]
    runs: tuple[Outcome, ...]
    rows: Mapping[str, Sequence[Row]]
    label: str = ""
    series: str = ""

    @property
    def results(self) -> list[RunResult]:
        """The results of the runs."""
        return [run.result for run in self.runs if run.result is not None]

    @property
    def by_seed(self) -> Mapping[object, RunResult]:
        """Seed → the result, None for a study that has no seeds."""
        return {run.values.get("seed"): run.result for run in self.runs if run.result is not None}

    def values_of(self, model: str, column: str) -> list[float]:
        """Return a model's values in a column of the table, of the runs that have one."""
        return [row[column] for row in self.rows.get(model, ()) if row.get(column) is not None]

    def mean(self, model: str, column: str) -> float | None:
        """Return their mean; None if no run has a value."""
        values = self.values_of(model, column)
        return sum(values) / len(values) if values else None

    def estimate(self, model: str, metric: str) -> Estimate | None:
        """Return a metric's mean over the seeds with the lowest and the highest; of one run with its interval over users."""
        values = self.values_of(model, metric)
        if not values:
            return None
        ends = [*self.values_of(model, f"{metric}/low"), *self.values_of(model, f"{metric}/high")]
        bounds = values if len(values) > 1 or not ends else ends
        return sum(values) / len(values), min(bounds), max(bounds)


@attrs.frozen(kw_only=True, eq=False)
class Problem:
    """A data set and a task, on which settings can be compared.

    Attributes:
        label: The data set's edition, and what else tells it from the study's other problems.
        metric: The metric by which its models were selected; higher is better.
        differing: The columns in which its settings differ.
        settings: The settings that were evaluated on it.
    """

    label: str
    metric: str
    differing: tuple[str, ...]
    settings: tuple[Setting, ...]

    @property
    def example(self) -> RunResult:
        """The result of one of its runs, for facts that all share."""
        return self.settings[0].results[0]


def scorer_of(setting: Setting) -> str:
    """Return the name of what selected the layers: the scorer, or a strategy that needs none."""
    selection = setting.results[0].config["selection"]
    strategy = name_in_record(selection["strategy"])
    return strategy if strategy in _WITHOUT_SCORES else name_in_record(selection["scorer"])


def in_short(value: object) -> str:
    """Return a value of an axis as a table shows it."""
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
