"""A study's finished runs, grouped as its report shows them: by what they were evaluated on, then by setting."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from shortstack.config.budget import BUDGETS
from shortstack.result import RunResult
from shortstack.studies.analysis.ablations import Ablation, ablations
from shortstack.studies.analysis.kept import against_teachers
from shortstack.studies.analysis.problem import Estimate, Problem, Setting, in_short
from shortstack.studies.comparison import Comparison
from shortstack.studies.grid import short_names
from shortstack.studies.outcome import Outcome, Row

_T = TypeVar("_T")

SEED: Final = "seed"
VARIANT: Final = "variant"
_SIZES: Final = frozenset(f"selection.{name}" for name in BUDGETS)
"""Axes that say how much is kept."""


@attrs.frozen(kw_only=True, eq=False)
class Summary:
    """What a study's report is made of.

    Attributes:
        folder: The study's folder.
        outcomes: What became of each run, in order.
        columns: Names of ``Setting.values`` → the shortest names that tell them apart.
        problems: Data sets and tasks, in the order of their first runs.
    """

    folder: Path
    outcomes: tuple[Outcome, ...]
    columns: Mapping[str, str]
    problems: tuple[Problem, ...]

    @cached_property
    def kept(self) -> Mapping[Setting, Comparison]:
        """Each setting's students against their teachers, where cases are on the disk."""
        return against_teachers(self.problems)

    @cached_property
    def ablations(self) -> Sequence[Ablation]:
        """The effect of each value of each axis."""
        return ablations(self.problems, self.columns)

    def estimate(self, setting: Setting, metric: str) -> Estimate | None:
        """Return a student's metric with its interval over users and seeds; the seeds' range where cases are not on the disk."""
        known = self.kept.get(setting)
        return setting.estimate("student", metric) if known is None else known.value

    @property
    def failed(self) -> Mapping[str, str]:
        """The runs that failed when they were last tried, with their errors."""
        return {outcome.name: outcome.error for outcome in self.outcomes if outcome.status == "failed"}

    @property
    def settings(self) -> list[Setting]:
        """The settings of all problems."""
        return [setting for problem in self.problems for setting in problem.settings]

    @property
    def seeds(self) -> int:
        """The most runs that a setting has."""
        return max((len(setting.runs) for setting in self.settings), default=0)


def summarised(folder: Path, axes: Sequence[str], outcomes: Sequence[Outcome], rows: Sequence[Row]) -> Summary:
    """Group the finished runs of a study; the arguments are those of ``StudyResult``, and its ``rows``."""
    paths = [axis for axis in axes if axis != SEED]
    named = {VARIANT: VARIANT} if any(outcome.variant for outcome in outcomes) else {}
    columns = {**named, **short_names(paths)}
    finished = [outcome for outcome in outcomes if outcome.result is not None]
    by_run = _grouped(rows, lambda row: row["run"])
    groups = _grouped(finished, _problem_key)
    labels = _labels(list(groups.values()), columns)
    problems = [_problem(label, runs, columns, by_run) for label, runs in zip(labels, groups.values(), strict=True)]
    return Summary(folder=folder, outcomes=tuple(outcomes), columns=columns, problems=tuple(problems))


def _problem(label: str, runs: Sequence[Outcome], columns: Mapping[str, str], rows: Mapping[str, list[Row]]) -> Problem:
    groups = _grouped(runs, lambda run: json.dumps([_value(run, column) for column in columns]))
    settings = [_setting(group, columns, rows) for group in groups.values()]
    differing = [column for column in columns if len({json.dumps(each.values[column]) for each in settings}) > 1]
    others = [column for column in differing if column not in _SIZES]
    named = [
        attrs.evolve(each, label=_label(each, differing, columns), series=_label(each, others, columns))
        for each in settings
    ]
    metric = _result(runs[0]).selected_by
    return Problem(label=label, metric=metric, differing=tuple(differing), settings=tuple(named))


def _setting(runs: Sequence[Outcome], columns: Mapping[str, str], rows: Mapping[str, list[Row]]) -> Setting:
    by_model = _grouped([row for run in runs for row in rows[run.name]], lambda row: row["model"])
    return Setting(values={column: _value(runs[0], column) for column in columns}, runs=tuple(runs), rows=by_model)


def _label(setting: Setting, differing: Sequence[str], columns: Mapping[str, str]) -> str:
    values = ((columns[column], setting.values[column]) for column in differing)
    return ", ".join(str(value) if isinstance(value, str) else f"{name} {in_short(value)}" for name, value in values)


def _value(run: Outcome, column: str) -> Any:
    return run.variant or None if column == VARIANT else run.values.get(column)


def _result(run: Outcome) -> RunResult:
    assert run.result is not None, "only finished runs are summarised"  # noqa: S101 -- for the type checker
    return run.result


def _problem_key(run: Outcome) -> str:
    config = _result(run).config
    protocol = {name: config.get("evaluation", {}).get(name) for name in ("protocol", "seen")}
    return json.dumps([config["data"], config["task"], protocol, _result(run).selected_by], sort_keys=True)


def _labels(groups: Sequence[Sequence[Outcome]], columns: Mapping[str, str]) -> list[str]:
    """Return the edition of each group's data, with the values of axes that tell groups of one edition apart."""
    editions = [_edition(_result(group[0])) for group in groups]
    return [
        edition if editions.count(edition) == 1 else f"{edition} ({_distinction(group, groups, columns)})"
        for edition, group in zip(editions, groups, strict=True)
    ]


def _edition(result: RunResult) -> str:
    source = result.config["data"].get("source")
    return str(result.data.get("edition") or (source if isinstance(source, str) else "given interactions"))


def _distinction(group: Sequence[Outcome], groups: Sequence[Sequence[Outcome]], columns: Mapping[str, str]) -> str:
    """Return the values that all runs of a group have, and not all groups."""
    own = {column: {in_short(_value(run, column)) for run in group} for column in columns}
    every = {column: {in_short(_value(run, column)) for runs in groups for run in runs} for column in columns}
    telling = {column: next(iter(own[column])) for column in columns if len(own[column]) == 1 < len(every[column])}
    if VARIANT in telling:
        return telling[VARIANT]
    return ", ".join(f"{columns[column]} {value}" for column, value in telling.items())


def _grouped(items: Iterable[_T], key: Callable[[_T], str]) -> dict[str, list[_T]]:
    groups: dict[str, list[_T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
