"""Conversion of a matplotlib figure to an inline SVG with the page's font, and its colours in light and dark mode."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from shortstack.report.methods import METHODS

INK, MUTED, GRID, SURFACE = "#1b1f25", "#5f6874", "#e3e7ec", "#fdfdfe"

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "figure.facecolor": "none",
    "svg.fonttype": "none",
}

_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", SURFACE: "surface"} | {m.colour: m.key for m in METHODS}
"""Colour in the drawing → the page's CSS variable that replaces it."""


Drawn = Callable[[Figure, str, str], str]
"""What becomes of a figure, given its name and description: its SVG, or the path of a file."""


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of ``width`` × ``height`` inches in the report's style; matplotlib's global settings are restored."""
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(wspace=0.09, hspace=0.06))


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """Return the figure as a scalable ``<svg>`` element, with ids that are unique in the page.

    Args:
        figure: A figure drawn within ``drawing``.
        name: Name of the figure, unique in the page.
        description: Description for screen readers.
    """
    stream = StringIO()
    # the salt makes ids the same in every run, and distinct between figures
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name, "svg.id": name}):
        # savefig gives the same, and draws twice
        canvas = FigureCanvasSVG(figure)
        canvas.print_svg(stream, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))  # type: ignore[no-untyped-call]
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[^"]*_\d+"', "", svg)  # matplotlib's ids of groups would occur in every figure
    # without width and height, the figure scales with the page
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable}, {colour})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)


def png_in(folder: Path) -> Drawn:
    """Return what writes a figure into a folder as ``NAME.png``, on white, and returns the path."""

    def write(figure: Figure, name: str, _description: str) -> str:
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=150, facecolor="white", metadata={"Software": None})
        return str(path)

    return write


def nothing_to_show(axes: Axes, text: str) -> None:
    """Write a text in place of a figure without data."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, transform=axes.transAxes)
