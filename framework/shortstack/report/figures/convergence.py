"""Figure: validation metric and training loss against the step."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from shortstack.contracts.headlines import formatted_metric
from shortstack.report.figures.canvas import INK, SURFACE, Drawn, drawing, inline_svg, nothing_to_show
from shortstack.report.methods import methods_of
from shortstack.result import RunResult, TrainingPoint


def convergence_figure(result: RunResult, drawn: Drawn = inline_svg) -> str:
    """Draw two panels, one line per trained model, as inline SVG."""
    training = result.cost.get("training", {})
    trained = [method for method in reversed(methods_of(result.metrics)) if training.get(method.key)]
    with drawing(7.4, 2.9) as figure:
        left, right = figure.subplots(1, 2)
        if not trained:
            nothing_to_show(left, "no model was trained in this run")
            right.set_axis_off()
        for method in trained:
            points = training[method.key]
            _draw(left, points, result.selected_by, colour=method.colour, marker=method.marker, label=method.label)
            _draw(right, points, "loss", colour=method.colour, marker=method.marker, label=method.label)
        if trained:
            _name(left, f"validation {formatted_metric(result.selected_by)}")
            _name(right, "training loss (each model its own)")
            left.set_ylim(bottom=0)
            handles, labels = left.get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=len(trained), labelcolor=INK)
        return drawn(
            figure,
            "convergence",
            f"Validation {formatted_metric(result.selected_by)} and training loss against the optimiser step",
        )


def _draw(
    axes: Axes,
    points: Sequence[TrainingPoint],
    key: str,
    *,
    colour: str,
    marker: str,
    label: str,
) -> None:
    """Draw a curve through the points where ``key`` was measured; with markers only if there are few points."""
    measured = [(point["step"] or 0, value) for point in points if (value := point[key]) is not None]
    steps, values = [step for step, _ in measured], [value for _, value in measured]
    shown = marker if len(measured) <= 30 else None
    axes.plot(steps, values, color=colour, marker=shown, markersize=4.5, markeredgecolor=SURFACE, label=label)


def _name(axes: Axes, title: str) -> None:
    axes.set(title=title, xlabel="optimiser step")
    axes.grid(visible=False, axis="x")
    axes.set_xlim(left=0)
