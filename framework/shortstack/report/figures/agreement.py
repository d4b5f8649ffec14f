"""Figure: agreement of the scorers, and the loss of each one's selection at every budget."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from shortstack.report.figures.canvas import INK, MUTED, Drawn, drawing, inline_svg
from shortstack.result import RunResult

_SHADES = "RdBu"
_MARKERS = "osD^vpX*hP"


def agreement_figure(result: RunResult, drawn: Drawn = inline_svg) -> str:
    """Draw Spearman's correlations, and the pruned teacher's loss against the layers kept; empty without an audit."""
    if not result.audit:
        return ""
    between, losses = result.audit["between"], result.audit["losses"]
    with drawing(7.4, 1.4 + 0.26 * max(len(between), 6)) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
        _heat_map(left, between)
        _curves(right, losses, len(result.selection["kept"]))
        return drawn(
            figure,
            "agreement",
            "Rank correlation of every two scorers, and the loss of the pruned teacher by layers kept",
        )


def _heat_map(axes: Axes, between: Mapping[str, Mapping[str, float | None]]) -> None:
    names = list(between)
    values = np.array([[between[a][b] for b in names] for a in names], dtype=np.float64)  # None becomes NaN
    axes.pcolormesh(values, cmap=_SHADES, vmin=-1, vmax=1, edgecolors="none")
    axes.set(xlim=(0, len(names)), ylim=(len(names), 0), title="Spearman")
    places = [place + 0.5 for place in range(len(names))]
    axes.set_xticks(places, names, rotation=45, ha="right")
    axes.set_yticks(places, names)
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            colour = "#ffffff" if abs(value) > 0.6 else "#33414f"
            text = "–" if np.isnan(value) else f"{value:.1f}".replace("-", "−")
            axes.text(column + 0.5, row + 0.52, text, ha="center", va="center", fontsize=7, color=colour)


def _curves(axes: Axes, losses: Mapping[str, Sequence[float | None]], kept: int) -> None:
    for (name, values), marker in zip(losses.items(), _MARKERS * len(losses), strict=False):
        measured = {size: value for size, value in enumerate(values, 1) if value is not None}
        axes.plot([*measured], [*measured.values()], marker=marker, markersize=3, label=name)
    axes.axvline(kept, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set(xlabel="layers kept", ylabel="calibration loss", title="Best layers alone, before distillation")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=7)
