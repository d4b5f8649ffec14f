"""Figure: all methods and baselines side by side, with their intervals."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from shortstack.contracts.headlines import formatted_metric
from shortstack.report.figures.canvas import INK, SURFACE, Drawn, drawing, inline_svg
from shortstack.report.methods import Method, estimate_of, methods_of
from shortstack.result import RunResult


def comparison_figure(result: RunResult, drawn: Drawn = inline_svg) -> str:
    """Draw one panel per metric, one row per method, the teacher on top, as inline SVG."""
    methods = methods_of(result.metrics)
    with drawing(7.4, 0.8 + 0.36 * len(methods)) as figure:
        metrics = result.headlines["metrics"]
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, metrics, strict=True):
            _panel(axes, result, methods, metric)
        named = ", ".join(map(formatted_metric, metrics))
        return drawn(figure, "comparison", f"{named} of every method with 95 % intervals")


def _panel(axes: Axes, result: RunResult, methods: Sequence[Method], metric: str) -> None:
    for row, method in enumerate(methods):
        estimate = estimate_of(result, method.key, metric)
        if estimate is not None:
            _row(axes, row, method, estimate)
    axes.set_title(formatted_metric(metric))
    axes.set_yticks(range(len(methods)), [method.label for method in methods])
    axes.set(ylim=(-0.6, len(methods) - 0.3), xlim=(0, None))
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=3)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def _row(axes: Axes, row: int, method: Method, estimate: tuple[float, float, float]) -> None:
    value, low, high = estimate
    axes.plot([low, high], [row, row], color=method.colour, linewidth=2.2, solid_capstyle="round", alpha=0.55)
    axes.plot([value], [row], method.marker, color=method.colour, markersize=7, markeredgecolor=SURFACE)
    axes.annotate(
        f"{value:.3f}",
        (value, row),
        xytext=(0, 5.5),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=7,
        color=INK,
    )
