"""Figure: importance of each layer by each scorer, and the kept layers."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from shortstack.report.figures.canvas import INK, MUTED, Drawn, drawing, inline_svg, nothing_to_show
from shortstack.report.methods import METHODS
from shortstack.result import RunResult

_KEPT = next(method.colour for method in METHODS if method.key == "student")
_SHADES = LinearSegmentedColormap.from_list("shades", colormaps["Blues"](np.linspace(0.06, 0.94, 64)))
_RANKS_UP_TO = 24  # layers; with more, the numbers in the cells would not be readable


def importance_figure(result: RunResult, drawn: Drawn = inline_svg) -> str:
    """Draw a heat map, one row per scorer and one column per layer, as inline SVG."""
    rows = max(len(result.importance), 1)
    with drawing(7.4, 0.9 + 0.34 * rows) as figure:
        axes = figure.add_subplot()
        if result.importance:
            _heat_map(axes, result)
        else:
            nothing_to_show(axes, "no scorer was run")
        return drawn(figure, "importance", "Importance of each layer by each scorer, with the kept layers outlined")


def _heat_map(axes: Axes, result: RunResult) -> None:
    scorers, layers = list(result.importance), result.selection["of"]
    shades = np.array([_shades(result.importance[scorer]) for scorer in scorers])
    axes.pcolormesh(shades, cmap=_SHADES, vmin=0, vmax=1, edgecolors="none")
    axes.set(xlim=(0, layers), ylim=(len(scorers), 0), xlabel="layer (0 is nearest the embeddings)")
    every = 1 if layers <= _RANKS_UP_TO else 5
    axes.set_xticks([i + 0.5 for i in range(0, layers, every)], [str(i) for i in range(0, layers, every)])
    axes.set_yticks([i + 0.5 for i in range(len(scorers))], scorers)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    if layers <= _RANKS_UP_TO:
        _write_ranks(axes, [result.importance[scorer] for scorer in scorers], shades)
    _outline_kept(axes, result.selection["kept"], len(scorers))


def _shades(scores: Sequence[float]) -> NDArray[np.float64]:
    """Scale a scorer's scores to [0, 1]; ½ where all are equal."""
    values = np.asarray(scores, dtype=np.float64)
    spread = values.max() - values.min()
    return (values - values.min()) / spread if spread > 0 else np.full_like(values, 0.5)


def _write_ranks(axes: Axes, scores: Sequence[Sequence[float]], shades: NDArray[np.float64]) -> None:
    for row, values in enumerate(scores):
        for place, layer in enumerate(np.argsort(-np.asarray(values), kind="stable"), start=1):
            colour = "#ffffff" if shades[row, layer] > 0.55 else "#33414f"
            axes.text(layer + 0.5, row + 0.52, str(place), ha="center", va="center", fontsize=7, color=colour)


def _outline_kept(axes: Axes, kept: Sequence[int], rows: int) -> None:
    for layer in kept:
        frame = Rectangle((layer, 0), 1, rows, fill=False, edgecolor=_KEPT, linewidth=2.2, clip_on=False, zorder=4)
        axes.add_patch(frame)
        axes.text(layer + 0.5, -0.16, "kept", ha="center", va="bottom", fontsize=7.5, fontweight="bold", color=_KEPT)
    axes.xaxis.label.set_color(MUTED)
