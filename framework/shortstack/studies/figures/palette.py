"""Colours and markers of settings: those of Okabe & Ito which the report does not use for models, and darker ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.report.figures.canvas import INK, MUTED
from shortstack.report.methods import METHODS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS: Final = ("#d55e00", "#56b4e9", "#e69f00", "#7f5fb8", "#b5446e", "#3a9188", "#9c6b30", "#6c8ebf")
_MARKERS: Final = "os^vpX*P"
TEACHER: Final = next(method for method in METHODS if method.key == "teacher")
SCRATCH: Final = next(method for method in METHODS if method.key == "scratch")
MOST: Final = len(_COLOURS)
"""Series that a reader can distinguish."""


@attrs.frozen(kw_only=True)
class Look:
    """The look of a series; more series than a reader can distinguish are all grey, and no legend names them."""

    colour: str
    marker: str
    named: bool


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return the look of each series by its name."""
    if len(names) > MOST:
        return {name: Look(colour=MUTED, marker="o", named=False) for name in names}
    return {
        name: Look(colour=colour, marker=marker, named=True)
        for name, colour, marker in zip(names, _COLOURS, _MARKERS, strict=False)
    }


def legend(figure: "Figure") -> None:
    """Put one legend of all panels' series above them, each label once; none for a single series."""
    pairs = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    lines = {label: line for line, label in reversed(pairs)}
    labels = list(dict.fromkeys(label for _, label in pairs))
    if len(labels) > 1:
        handles = [lines[label] for label in labels]
        figure.legend(
            handles,
            labels,
            loc="outside upper left",
            ncols=min(len(labels), 5 if sum(map(len, labels)) < 80 else 3),
            labelcolor=INK,
        )
