"""Figure: quality against bytes on disk, parameters and latency, with the Pareto front."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.ticker import EngFormatter

from shortstack.contracts.headlines import formatted_metric
from shortstack.report.figures.canvas import MUTED, SURFACE, drawing
from shortstack.studies.analysis.pareto import COSTS, Candidate, candidates, front
from shortstack.studies.analysis.problem import Problem
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.figures.palette import SCRATCH, TEACHER, Look, legend, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def pareto_figure(summary: Summary) -> "Figure | None":
    """Draw a row of panels for each problem, a panel for each cost that was measured."""
    costs = [cost for cost in COSTS if any(candidates(problem, cost) for problem in summary.problems)]
    if not costs:
        return None
    series = list(dict.fromkeys(setting.series for setting in summary.settings))
    with drawing(7.4, 0.5 + 2.6 * len(summary.problems)) as figure:
        rows = figure.subplots(len(summary.problems), len(costs), squeeze=False, sharey="row")
        for axes, problem in zip(rows, summary.problems, strict=True):
            _row(axes, problem, costs, looks(series))
            axes[0].set_title(problem.label, wrap=True)
        legend(figure)
        return figure


def _row(panels: "Sequence[Axes]", problem: Problem, costs: Sequence[str], look: dict[str, Look]) -> None:
    for axes, cost in zip(panels, costs, strict=True):
        points = candidates(problem, cost)
        _front(axes, front(points))
        for point in points:
            _point(axes, point, look)
        axes.set(xlabel=COSTS[cost], xlim=(0, 1.1 * max((point.cost for point in points), default=1)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.locator_params(axis="x", nbins=4)
    best = max((point.quality for cost in costs for point in candidates(problem, cost)), default=1)
    panels[0].set(ylabel=f"test {formatted_metric(problem.metric)}", ylim=(0, 1.1 * best))


def _front(axes: "Axes", points: Sequence[Candidate]) -> None:
    """Draw steps, for between two models of the front there is none."""
    costs, qualities = [point.cost for point in points], [point.quality for point in points]
    axes.plot(costs, qualities, color=MUTED, linewidth=1, drawstyle="steps-post", zorder=1)


def _point(axes: "Axes", point: Candidate, look: dict[str, Look]) -> None:
    if point.model == "student":
        mine = look[point.series]
        colour, marker, label = mine.colour, mine.marker, point.series if mine.named else "students"
    else:
        method = TEACHER if point.model == "teacher" else SCRATCH
        colour, marker, label = method.colour, method.marker, method.label
    axes.plot(
        [point.cost],
        [point.quality],
        marker,
        color=colour,
        markersize=6.5,
        markeredgecolor=SURFACE,
        linestyle="none",
        label=label or "student",
    )
