"""Figure: calibration of each model's probabilities of ratings."""

from shortstack.report.figures.canvas import MUTED, SURFACE, Drawn, drawing, inline_svg
from shortstack.report.methods import methods_of
from shortstack.result import RunResult


def calibration_figure(result: RunResult, drawn: Drawn = inline_svg) -> str:
    """Draw accuracy against confidence, a line per model, as inline SVG; empty where no model has probabilities of ratings."""
    curves = [
        (method, result.calibration[method.key])
        for method in reversed(methods_of(result.metrics))
        if method.key in result.calibration
    ]
    if not curves:
        return ""
    with drawing(7.4, 3.2) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="as often as it says")
        for method, curve in curves:
            sure, right, cases = (
                [bin_[name] for bin_ in curve["bins"]] for name in ("confidence", "accuracy", "cases")
            )
            axes.plot(sure, right, color=method.colour, linewidth=0.8)
            axes.scatter(
                sure,
                right,
                s=[8 + 110 * count / sum(cases) for count in cases],
                color=method.colour,
                marker=method.marker,
                edgecolor=SURFACE,
                zorder=3,
                label=f"{method.label} (off by {curve['error']:.3f})",
            )
        axes.set(
            xlabel="how sure it was of its likeliest rating",
            ylabel="how often that was right",
            xlim=(0, 1),
            ylim=(0, 1),
        )
        figure.legend(loc="outside right upper")
        return drawn(figure, "calibration", "How often each model's likeliest rating was right against how sure it was")
