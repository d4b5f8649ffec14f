"""Figure: throughput and latency of each model."""

from collections.abc import Callable

from matplotlib.axes import Axes

from shortstack.report.figures.canvas import INK, Drawn, drawing, inline_svg
from shortstack.report.methods import Method, methods_of
from shortstack.result import RunResult


def speed_figure(result: RunResult, drawn: Drawn = inline_svg) -> str:
    """Draw two panels of bars, one per model, with ratios to the teacher, as inline SVG; empty if not measured."""
    speed = result.cost.get("speed", {})
    if not speed:
        return ""
    methods = methods_of(speed)
    with drawing(7.4, 0.9 + 0.36 * len(methods)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        rates = {method.key: speed[method.key]["users_per_second"] for method in methods}
        waits = {method.key: speed[method.key]["ms_per_user_1"] for method in methods}
        _panel(left, methods, rates, lambda value, teacher: value / teacher)
        _panel(right, methods, waits, lambda value, teacher: teacher / value)
        left.set_title("users a second, 32 at once")
        right.set_title("milliseconds for one user alone")
        return drawn(figure, "speed", "users a second and milliseconds a user of each model")


def _panel(
    axes: Axes, methods: list[Method], values: dict[str, float], times_as_fast: Callable[[float, float], float]
) -> None:
    for row, method in enumerate(methods):
        value, label = values[method.key], f"{values[method.key]:,.4g}"
        if "teacher" in values and method.key != "teacher":
            label += f"  ({times_as_fast(value, values['teacher']):.1f} × as fast)"
        axes.barh([row], [value], height=0.55, color=method.colour)
        axes.annotate(
            label, (value, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7.5, color=INK
        )
    axes.set_yticks(range(len(methods)), [method.label for method in methods])
    axes.set(xlim=(0, 1.75 * max(values.values())))
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
