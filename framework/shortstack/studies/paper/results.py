"""The paper's sections of results: tables and figures, each only where there are data."""

from collections.abc import Iterable

from shortstack.contracts.headlines import KEEPS, formatted_metric
from shortstack.report.methods import methods_of
from shortstack.studies.analysis.findings import findings
from shortstack.studies.analysis.intervals import intervals_in_words
from shortstack.studies.analysis.pareto import COSTS, OnFronts, on_fronts
from shortstack.studies.analysis.problem import Estimate, Problem, Setting, in_short
from shortstack.studies.analysis.scorers import share_kept
from shortstack.studies.analysis.sizes import in_digits, layers_kept
from shortstack.studies.analysis.slices import sliced
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.figures import FIGURES
from shortstack.studies.paper.latex import escaped, figure, items, table

_NONE = "--"


def results(summary: Summary, drawn: Iterable[str]) -> str:
    """Return the findings, a table for each problem, the Pareto fronts and the heat map."""
    tables = [_problem(problem, summary, number) for number, problem in enumerate(summary.problems, 1)]
    figures = [_figure(name) for name in ("pareto", "scorers") if name in drawn]
    fronts = [_front(summary)] if "pareto" in drawn else []
    said = items(map(escaped, findings(summary)[1:]))
    return "\n".join([said, *tables, *figures, *fronts]) if tables else "No run is finished.\n"


def _problem(problem: Problem, summary: Summary, number: int) -> str:
    names = [summary.columns[column] for column in problem.differing] or ["setting"]
    head = [*names, formatted_metric(problem.metric), "teacher", "scratch", "kept", "verdict", "layers", *_COSTS]
    rows = [_row(setting, problem, summary) for setting in problem.settings]
    caption = f"{escaped(problem.label)}: students on test users. {escaped(intervals_in_words(summary))} {_VERDICTS}"
    columns = "l" * len(names) + "r" * (len(head) - len(names))
    return table(columns, [*map(escaped, head)], rows, caption=caption, label=f"tab:results{number}")


_VERDICTS = (
    f"Verdict: whether a student keeps at least {KEEPS:.0%} of its teacher's quality (equivalent: and no more than the inverse), by "
    "one-sided tests at 5%, corrected by Holm over all settings."
).replace("%", r"\%")
_COSTS = ("bytes", "param.", "ms")


def _row(setting: Setting, problem: Problem, summary: Summary) -> list[str]:
    values = [escaped(in_short(setting.values[column])) or _NONE for column in problem.differing] or ["the base"]
    return [
        *values,
        _estimated(summary.estimate(setting, problem.metric)),
        *(_number(setting.mean(model, problem.metric)) for model in ("teacher", "scratch")),
        *_kept(setting, problem, summary),
        layers_kept(setting),
        *(escaped(in_digits(setting.mean("student", cost)) or _NONE) for cost in COSTS),
    ]


def _kept(setting: Setting, problem: Problem, summary: Summary) -> tuple[str, str]:
    """Return the share of the teacher's quality, and whether enough is kept."""
    tested, share = summary.kept.get(setting), share_kept(setting, problem.metric)
    return (_NONE if share is None else escaped(f"{share:.1%}")), (_NONE if tested is None else tested.verdict)


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.4f}"


def _estimated(estimate: Estimate | None) -> str:
    if estimate is None:
        return _NONE
    value, low, high = estimate
    return rf"{value:.4f} {{\scriptsize[{low:.4f}, {high:.4f}]}}"


def _figure(name: str) -> str:
    return figure(name, caption=escaped(FIGURES[name].caption))


def _front(summary: Summary) -> str:
    rows = [
        (
            escaped(problem.label),
            _model(each),
            *(escaped(in_digits(cost) or _NONE) for cost in each.costs),
            _number(each.quality),
        )
        for problem in summary.problems
        for each in on_fronts(problem)
    ]
    caption = "The models on a Pareto front, best last, with their costs on the fronts that they are on."
    return table("llrrrr", ("data", "model", *_COSTS, "quality"), rows, caption=caption, label="tab:front")


def _model(each: OnFronts) -> str:
    return each.model if each.model == "teacher" or not each.setting else f"{each.model}: {escaped(each.setting)}"


def ablation_section(summary: Summary, drawn: Iterable[str]) -> str:
    """Return the ablations; empty where no axis has two values on one problem."""
    if "ablations" not in drawn:
        return ""
    rows = [
        (
            f"{escaped(each.axis)}: {escaped(each.value)} $-$ {escaped(each.reference)}",
            escaped(each.problem),
            _signed(each.difference),
            _NONE if each.p_holm is None else f"{each.p_holm:.3f}" if each.p_holm >= 0.001 else "$<0.001$",
            str(each.pairs),
        )
        for each in summary.ablations
    ]
    caption = "Change of the student's quality, all else equal; pairs are runs that differ in this axis alone."
    listed = table("llrrr", ("", "data", "change", "$p$ (Holm)", "pairs"), rows, caption=caption, label="tab:ablations")
    return "\\section{Ablations}\n" + _figure("ablations") + listed


def _signed(difference: Estimate) -> str:
    value, low, high = difference
    return rf"${value:+.4f}$ {{\scriptsize$[{low:+.4f}, {high:+.4f}]$}}"


def figure_section(heading: str, name: str, drawn: Iterable[str]) -> str:
    """Return a section of one figure; empty where it was not drawn."""
    return f"\\section{{{heading}}}\nSee Figure~\\ref{{fig:{name}}}.\n" + _figure(name) if name in drawn else ""


def slices_section(summary: Summary) -> str:
    """Return the error analysis by slices; empty where none was evaluated."""
    tables = [_sliced(problem, number) for number, problem in enumerate(summary.problems, 1) if sliced(problem)]
    intro = (
        "Means over all settings and seeds, of the metric that selects models. Head: the fewest items that hold half of the "
        "training interactions; tail: all others. New item: one without training interactions. Short: histories of at most the "
        "median length in training. Cold: users without training interactions.\n"
    )
    return "\\section{Error analysis by slices}\n" + intro + "\n".join(tables) if tables else ""


def _sliced(problem: Problem, number: int) -> str:
    values = sliced(problem)
    models = methods_of(dict.fromkeys(model for each in values.values() for model in each))
    rows = [[escaped(name), *(_number(each.get(model.key)) for model in models)] for name, each in values.items()]
    head = ["slice", *(escaped(model.label) for model in models)]
    caption = f"{escaped(problem.label)}: {escaped(formatted_metric(problem.metric))} by slice of the test cases."
    return table("l" + "r" * len(models), head, rows, caption=caption, label=f"tab:slices{number}")
