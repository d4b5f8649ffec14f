"""The results of a study in a terminal: a row for each setting, means over the seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from shortstack.contracts.headlines import formatted_metric
from shortstack.studies.grid import short_names
from shortstack.studies.outcome import Row
from shortstack.studies.result import StudyResult
from shortstack.terminal_text import visible

SEED: Final = "seed"


def study_table(result: StudyResult) -> Table:
    """Return the students' selection metric by setting, beside their teachers': means over the seeds, with the range.

    Where the seed does not vary, the 95 % interval over users stands in its place.
    """
    seeds, rows = SEED in result.axes, result.rows()
    beside = "lowest–highest" if seeds else "95% interval"
    about = "means over the seeds, lowest and highest seed" if seeds else "one run each, 95% intervals over users"
    metrics = dict.fromkeys(formatted_metric(row["selected_by"]) for row in rows if row["selected_by"])
    named = [] if len(metrics) == 1 else ["metric"]
    title = f"{'' if named else f'{next(iter(metrics))} on '}test users; {about}"
    table = Table(title=title, title_justify="left", title_style="dim", box=SIMPLE_HEAD, pad_edge=False)
    shown = short_names([axis for axis in result.axes if axis != SEED])
    variants = ["variant"] if any(row["variant"] for row in rows) else []
    for name in (*variants, *shown.values()):
        table.add_column(Text(visible(name)), min_width=6, overflow="fold")
    for name in ("runs", "layers", *named, "student", beside, "teacher"):
        table.add_column(name, justify="left" if name == "metric" else "right", no_wrap=True)
    for setting, group in _by_setting(rows, [*variants, *shown]).items():
        cells = [Text(visible("" if value is None else value)) for value in setting]
        table.add_row(*cells, *_figures(group, named=bool(named), seeds=seeds))
    return table


def _by_setting(rows: Sequence[Row], names: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    """Return the rows of finished runs by their values of the axes but the seed, in order."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row["model"] is not None:
            groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def _figures(group: Sequence[Row], *, named: bool, seeds: bool) -> list[str]:
    students, teachers = ([row for row in group if row["model"] == model] for model in ("student", "teacher"))
    metric = students[0]["selected_by"]
    values = _defined(students, metric)
    bounds = values if seeds else _defined(students, f"{metric}/low") + _defined(students, f"{metric}/high")
    return [
        str(len(students)),
        _layers(students),
        *([formatted_metric(metric)] if named else []),
        _mean(values),
        f"{min(bounds):.4f}–{max(bounds):.4f}" if bounds else "",
        _mean(_defined(teachers, metric)),
    ]


def _layers(students: Sequence[Row]) -> str:
    return f"{_range([len(row['kept']) for row in students])} of {_range([row['layers'] for row in students])}"


def _range(values: Sequence[int]) -> str:
    return "–".join(str(value) for value in sorted({min(values), max(values)}))


def _defined(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows if row.get(name) is not None]


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.4f}" if values else ""
