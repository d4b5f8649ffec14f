"""Figure: validation metric against the step, a line a setting, a panel a problem."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shortstack.contracts.headlines import formatted_metric
from shortstack.report.figures.canvas import SURFACE, drawing
from shortstack.studies.analysis.convergence import curve_of
from shortstack.studies.analysis.problem import Problem
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.figures.palette import TEACHER, legend, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def convergence_figure(summary: Summary) -> "Figure | None":
    """Draw the mean curves of students, and dashed those of teachers."""
    problems = [
        problem for problem in summary.problems if any(curve_of(s, "student", problem.metric) for s in problem.settings)
    ]
    if not problems:
        return None
    columns = min(len(problems), 2)
    lines = -(-len(problems) // columns)
    with drawing(7.4, 0.6 + 2.6 * lines) as figure:
        panels = figure.subplots(lines, columns, squeeze=False).flat
        for axes, problem in zip(panels, problems, strict=False):
            _panel(axes, problem)
        for axes in [*panels][len(problems) :]:
            axes.set_axis_off()
        legend(figure)
        return figure


def _panel(axes: "Axes", problem: Problem) -> None:
    look = looks([setting.label for setting in problem.settings])
    for setting in problem.settings:
        mine = look[setting.label]
        curve, label = curve_of(setting, "student", problem.metric), setting.label if mine.named else "students"
        _line(axes, curve, mine.colour, mine.marker, label or "student")
    teachers = {
        tuple(curve.items()): curve for s in problem.settings if (curve := curve_of(s, "teacher", problem.metric))
    }
    for curve in teachers.values():
        axes.plot([*curve], [*curve.values()], "--", color=TEACHER.colour, linewidth=1.3, label="teacher")
    axes.set(title=problem.label, xlabel="optimiser step", ylabel=f"validation {formatted_metric(problem.metric)}")
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="x")


def _line(axes: "Axes", curve: Mapping[float, float], colour: str, marker: str, label: str) -> None:
    shown = marker if len(curve) <= 30 else None
    axes.plot(
        [*curve],
        [*curve.values()],
        color=colour,
        marker=shown,
        markersize=4,
        markeredgecolor=SURFACE,
        linewidth=1.2,
        label=label,
    )
