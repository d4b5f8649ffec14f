"""Tables of a study's page as HTML; every text of a result is escaped."""

from collections.abc import Iterator, Sequence
from html import escape

from shortstack.contracts.headlines import KEEPS, formatted_metric
from shortstack.html_table import row, table
from shortstack.report.methods import methods_of
from shortstack.studies.analysis.convergence import curve_of
from shortstack.studies.analysis.layers import shares_of
from shortstack.studies.analysis.pareto import COSTS, OnFronts, on_fronts
from shortstack.studies.analysis.problem import Estimate, Problem, Setting, in_short
from shortstack.studies.analysis.scorers import kept_by_scorer, share_kept
from shortstack.studies.analysis.sizes import in_digits, layers_kept
from shortstack.studies.analysis.slices import sliced
from shortstack.studies.analysis.summary import Summary

_MISSING = "–"
_COLUMNS = ("bytes", "parameters", "ms a user")
"""Heads of the costs."""


def results_table(problem: Problem, summary: Summary) -> str:
    """Return a row for each setting of a problem."""
    names = [summary.columns[column] for column in problem.differing] or ["setting"]
    metric = formatted_metric(problem.metric)
    heads = (metric, "teacher", "scratch", "kept", f"keeps {KEEPS:.0%}?", "layers", *_COLUMNS, "runs")
    rows = (
        row("td", (*_values(setting, problem), *_figures(setting, problem, summary))) for setting in problem.settings
    )
    return table(row("th", map(escape, (*names, *heads))), rows)


def _values(setting: Setting, problem: Problem) -> list[str]:
    values = [escape(in_short(setting.values[column])) or _MISSING for column in problem.differing]
    return values or ["the base"]


def _figures(setting: Setting, problem: Problem, summary: Summary) -> Iterator[str]:
    yield estimated(summary.estimate(setting, problem.metric))
    for model in ("teacher", "scratch"):
        mean = setting.mean(model, problem.metric)
        yield _MISSING if mean is None else f"{mean:.4f}"
    yield from _kept(setting, problem, summary)
    yield layers_kept(setting)
    for cost in COSTS:
        yield _beside(setting.mean("student", cost), setting.mean("teacher", cost))
    yield str(len(setting.runs))


def _kept(setting: Setting, problem: Problem, summary: Summary) -> tuple[str, str]:
    """Return the share of the teacher's quality with its interval, and whether enough is kept."""
    tested = summary.kept.get(setting)
    if tested is None or tested.ratio is None:
        share = share_kept(setting, problem.metric)
        return (_MISSING if share is None else f"{share:.1%}"), _MISSING
    value, low, high = tested.ratio
    return f"{value:.1%}<small>{low:.1%}–{high:.1%}</small>", tested.verdict


def estimated(estimate: Estimate | None) -> str:
    """Return a value with its interval below it."""
    if estimate is None:
        return _MISSING
    value, low, high = estimate
    return f"{value:.4f}<small>{low:.4f}–{high:.4f}</small>"


def _beside(value: float | None, teacher: float | None) -> str:
    """Return a cost, and below it as a share of the teacher's."""
    if value is None or not teacher:
        return number(value)
    return f"{number(value)}<small>{value / teacher:.0%}</small>"


def number(value: float | None) -> str:
    """Return a size or a time, a dash where it is unknown."""
    return in_digits(value) or _MISSING


def front_table(summary: Summary) -> str:
    """Return the models on a Pareto front, worst first, with their costs on the fronts that they are on."""
    rows = (
        row("td", (escape(_named(each)), escape(problem.label), *map(number, each.costs), f"{each.quality:.4f}"))
        for problem in summary.problems
        for each in on_fronts(problem)
    )
    return table(row("th", ("on a front", "data", *_COLUMNS, "quality")), rows)


def _named(each: OnFronts) -> str:
    return each.model if each.model == "teacher" or not each.setting else f"{each.model}: {each.setting}"


def ablations_table(summary: Summary) -> str:
    """Return each value's effect, with how many pairs of runs it is a mean of."""
    rows = (
        row(
            "td",
            (
                f"{escape(effect.axis)}: {escape(effect.value)} − {escape(effect.reference)}",
                escape(effect.problem),
                escape(formatted_metric(effect.metric)),
                _change(effect.difference),
                _p(effect.p_holm),
                str(effect.pairs),
            ),
        )
        for effect in summary.ablations
    )
    return table(row("th", ("", "data", "metric", "change", "p (Holm)", "pairs of runs")), rows)


def _p(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.3f}" if value >= 0.001 else "&lt; 0.001"


def _change(difference: Estimate) -> str:
    value, low, high = (f"{part:+.4f}".replace("-", "−") for part in difference)
    return f"{value}<small>{low} to {high}</small>"


def scorers_table(summary: Summary) -> str:
    """Return scorers × problems."""
    problems = [problem.label for problem in summary.problems]
    rows = (
        row("td", (escape(scorer), *(f"{kept[label]:.1%}" if label in kept else _MISSING for label in problems)))
        for scorer, kept in kept_by_scorer(summary).items()
    )
    return table(row("th", ("", *map(escape, problems))), rows)


def layers_table(summary: Summary) -> str:
    """Return the layers that each setting's students have, in brackets those of some seeds only."""
    rows = (
        row("td", (escape(setting.label) or "the base", escape(problem.label), _listed(shares_of(setting))))
        for problem in summary.problems
        for setting in problem.settings
    )
    return table(row("th", ("setting", "data", "layers")), rows)


def _listed(shares: Sequence[float]) -> str:
    return ", ".join(f"{layer}" if share == 1 else f"({layer})" for layer, share in enumerate(shares) if share)


def convergence_table(summary: Summary) -> str:
    """Return the best validation of each setting's student, and its step."""
    rows = (
        row("td", (escape(setting.label) or "the base", escape(problem.label), *_best(curve)))
        for problem in summary.problems
        for setting in problem.settings
        if (curve := curve_of(setting, "student", problem.metric))
    )
    return table(row("th", ("setting", "data", "best validation", "at step", "last step")), rows)


def _best(curve: dict[float, float]) -> tuple[str, str, str]:
    best = max(curve, key=lambda step: curve[step])
    return f"{curve[best]:.4f}", f"{best:g}", f"{max(curve):g}"


def slices_table(problem: Problem) -> str:
    """Return slices × models, means over all settings and seeds; empty where no slice was evaluated."""
    values = sliced(problem)
    models = methods_of({model: None for each in values.values() for model in each})
    rows = (
        row("td", (escape(name), *(f"{each[model.key]:.4f}" if model.key in each else _MISSING for model in models)))
        for name, each in values.items()
    )
    return table(row("th", ("", *(escape(model.label) for model in models))), rows) if values else ""


def failures_list(summary: Summary) -> str:
    """Return the runs that failed, with their errors; empty if none did."""
    points = (f"<li><b>{escape(name)}</b>: {escape(error)}</li>" for name, error in summary.failed.items())
    return f"<ul>{''.join(points)}</ul>" if summary.failed else ""
