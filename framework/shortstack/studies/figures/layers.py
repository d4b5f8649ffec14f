"""Figure: the teacher's layers that each student has, a row a setting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from shortstack.report.figures.canvas import GRID, INK, SURFACE, drawing
from shortstack.report.methods import METHODS
from shortstack.studies.analysis.layers import shares_of
from shortstack.studies.analysis.problem import Problem, Setting
from shortstack.studies.analysis.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KEPT = next(method.colour for method in METHODS if method.key == "student")
MOST_ROWS: Final = 60
"""Settings of a problem that are drawn; more would be unreadable, and the table of the results has all."""


def layers_figure(summary: Summary) -> "Figure | None":
    """Draw a grid for each problem, a row a setting, a column a layer."""
    if not summary.problems:
        return None
    shown = [problem.settings[:MOST_ROWS] for problem in summary.problems]
    rows = [len(settings) for settings in shown]
    with drawing(7.4, sum(0.65 + 0.2 * count for count in rows)) as figure:
        panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=[count + 2 for count in rows])[:, 0]
        for axes, problem, settings in zip(panels, summary.problems, shown, strict=True):
            _grid(axes, problem, settings)
        return figure


def _grid(axes: "Axes", problem: Problem, settings: Sequence[Setting]) -> None:
    layers = max(len(shares_of(setting)) for setting in settings)
    for row, setting in enumerate(settings):
        for layer, share in enumerate(shares_of(setting)):
            _cell(axes, row, layer, share)
    axes.set(xlim=(0, layers), ylim=(len(settings), 0), title=problem.label)
    axes.set_yticks([row + 0.5 for row in range(len(settings))], [setting.label for setting in settings])
    axes.set_xticks([layer + 0.5 for layer in range(layers)], [str(layer) for layer in range(layers)])
    if layers > 24:
        axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.tick_params(length=0)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _cell(axes: "Axes", row: int, layer: int, share: float) -> None:
    """Draw a cell; the shade is the cell's opacity, so that it is right on dark pages too."""
    face = to_rgba(_KEPT, 0.25 + 0.75 * share) if share else to_rgba(GRID)
    axes.add_patch(Rectangle((layer, row), 1, 1, facecolor=face, edgecolor=SURFACE, linewidth=1.5))
