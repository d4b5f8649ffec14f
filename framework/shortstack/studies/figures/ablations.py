"""Figure: the student's change by each value of each axis, a panel an axis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shortstack.contracts.headlines import formatted_metric
from shortstack.report.figures.canvas import INK, MUTED, SURFACE, drawing
from shortstack.studies.analysis.ablations import Ablation
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.figures.palette import legend, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ablations_figure(summary: Summary) -> "Figure | None":
    """Draw a panel for each axis, a line for each value, a mark for each problem."""
    effects = summary.ablations
    axes_named = list(dict.fromkeys(effect.axis for effect in effects))
    if not effects:
        return None
    by_axis = [[effect for effect in effects if effect.axis == name] for name in axes_named]
    heights = [len(_values(group)) * (0.6 + 0.4 * len(_problems(group))) for group in by_axis]
    with drawing(7.4, 0.7 * len(by_axis) + 0.32 * sum(heights)) as figure:
        panels = figure.subplots(len(by_axis), 1, squeeze=False, height_ratios=[height + 1 for height in heights])[:, 0]
        for axes, group in zip(panels, by_axis, strict=True):
            _panel(axes, group, _problems(effects))
        legend(figure)
        return figure


def _values(effects: Sequence[Ablation]) -> list[str]:
    return list(dict.fromkeys(effect.value for effect in effects))


def _problems(effects: Sequence[Ablation]) -> list[str]:
    return list(dict.fromkeys(effect.problem for effect in effects))


def _panel(axes: "Axes", effects: Sequence[Ablation], problems: Sequence[str]) -> None:
    values, look = _values(effects), looks(problems)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    shown: set[str] = set()
    for effect in effects:
        place = values.index(effect.value) + 0.5 * ((problems.index(effect.problem) + 0.5) / len(problems) - 0.5)
        value, low, high = effect.difference
        mine = look[effect.problem]
        axes.plot([low, high], [place, place], color=mine.colour, linewidth=2.2, alpha=0.55, solid_capstyle="round")
        label = effect.problem if effect.problem not in shown else None
        axes.plot([value], [place], mine.marker, color=mine.colour, markersize=6, markeredgecolor=SURFACE, label=label)
        shown.add(effect.problem)
    metrics = ", ".join(dict.fromkeys(formatted_metric(effect.metric) for effect in effects))
    axes.set_title(f"{effects[0].axis}, against {effects[0].reference}: change of {metrics}")
    axes.set_yticks(range(len(values)), values)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
