"""Figure: what students keep of their teachers' quality, scorers against data sets."""

from typing import TYPE_CHECKING

import numpy as np

from shortstack.report.figures.canvas import INK, drawing
from shortstack.studies.analysis.scorers import kept_by_scorer
from shortstack.studies.analysis.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def scorers_figure(summary: Summary) -> "Figure | None":
    """Draw a heat map where there are two scorers and two problems."""
    kept = kept_by_scorer(summary)
    problems = [problem.label for problem in summary.problems]
    if len(kept) < 2 or len(problems) < 2:
        return None
    values = np.array([[kept[scorer].get(problem) for problem in problems] for scorer in kept], dtype=np.float64)
    with drawing(7.4, 0.9 + 0.36 * len(kept)) as figure:
        axes = figure.add_subplot()
        axes.pcolormesh(values, cmap="Blues", edgecolors="none", vmin=0, vmax=max(1.0, float(np.nanmax(values))))
        axes.set(xlim=(0, len(problems)), ylim=(len(kept), 0))
        axes.set_xticks([place + 0.5 for place in range(len(problems))], problems, wrap=True)
        axes.set_yticks([place + 0.5 for place in range(len(kept))], [*kept])
        axes.tick_params(length=0, labelcolor=INK)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        for row, line in enumerate(values):
            for column, value in enumerate(line):
                text, colour = (
                    ("–", INK) if np.isnan(value) else (f"{value:.1%}", "#ffffff" if value > 0.6 else "#33414f")
                )
                axes.text(column + 0.5, row + 0.52, text, ha="center", va="center", color=colour)
        return figure
