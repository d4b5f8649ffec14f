"""Figure: quality against the number of parameters."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter
from matplotlib.transforms import ScaledTranslation

from shortstack.contracts.headlines import formatted_metric
from shortstack.report.figures.canvas import INK, MUTED, SURFACE, Drawn, drawing, inline_svg
from shortstack.report.methods import METHODS, Method, estimate_of
from shortstack.result import RunResult

_BASELINES = {"popularity", "personal-popularity", "markov", "ease", "sasrec", "mode", "user-mean"}
_BESIDE = {"pruned": -10.0, "student": 0.0, "scratch": 10.0}
"""Horizontal offsets in points: models of one size would hide each other."""


def compression_figure(result: RunResult, drawn: Drawn = inline_svg) -> str:
    """Draw two panels, by the body's and by all parameters, as inline SVG."""
    sizes = result.parameters
    with drawing(7.4, 3.1) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        _panel(left, result, sizes["teacher_body"], sizes["student_body"], "parameters of the body (the layers)")
        _panel(right, result, sizes["teacher"], sizes["student"], "all parameters")
        left.set(ylabel=f"test {formatted_metric(result.selected_by)}", ylim=(0, 1.08 * _highest(result)))
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=max(len(labels), 1), labelcolor=INK)
        return drawn(
            figure,
            "compression",
            f"{formatted_metric(result.selected_by)} with 95 % intervals against the number of parameters",
        )


def _panel(axes: Axes, result: RunResult, teacher: int, student: int, label: str) -> None:
    axes.set(xlim=(0, 1.12 * max(teacher, student, 1)), xlabel=label)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.locator_params(axis="x", nbins=5)
    baselines: list[tuple[Method, float]] = []
    for method in reversed(METHODS):
        estimate = estimate_of(result, method.key, result.selected_by)
        if estimate is None:
            continue
        if method.key in _BASELINES:
            baselines.append((method, estimate[0]))
        elif method.key == "teacher" or method.key in _BESIDE:
            _point(axes, method, teacher if method.key == "teacher" else student, estimate)
    _baseline_lines(axes, baselines, near=0.06 * _highest(result))


def _baseline_lines(axes: Axes, baselines: Sequence[tuple[Method, float]], near: float) -> None:
    """Draw a line per baseline; lines near the one above share its label, for labels would overlap."""
    labels: list[tuple[str, float]] = []
    for method, value in sorted(baselines, key=lambda baseline: -baseline[1]):
        axes.axhline(value, color=method.colour, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
        if labels and labels[-1][1] - value < near:
            labels[-1] = (f"{labels[-1][0]}, {method.label}", labels[-1][1])
        else:
            labels.append((method.label, value))
    for label, value in labels:
        axes.annotate(
            label,
            (0, value),
            xycoords=("axes fraction", "data"),
            xytext=(4, 2),
            textcoords="offset points",
            va="bottom",
            fontsize=7.5,
            color=MUTED,
        )


def _highest(result: RunResult) -> float:
    """Return the top of the highest interval: shifted points do not take part in matplotlib's scaling of the axis."""
    estimates = [estimate_of(result, method.key, result.selected_by) for method in METHODS]
    return max((estimate[2] for estimate in estimates if estimate is not None), default=0.0) or 1.0


def _point(axes: Axes, method: Method, size: int, estimate: tuple[float, float, float]) -> None:
    value, low, high = estimate
    aside = ScaledTranslation(_BESIDE.get(method.key, 0.0) / 72, 0, axes.figure.dpi_scale_trans)
    moved = axes.transData + aside
    axes.plot([size, size], [low, high], color=method.colour, linewidth=2.2, alpha=0.55, transform=moved)
    axes.plot(
        [size],
        [value],
        method.marker,
        color=method.colour,
        markersize=7.5,
        markeredgecolor=SURFACE,
        transform=moved,
        label=method.label,
    )
