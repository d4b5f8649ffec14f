"""Figures of a report, one per file; each turns a result into an inline SVG, or whatever ``drawn`` makes of it."""

from pathlib import Path

from shortstack.report.figures.agreement import agreement_figure
from shortstack.report.figures.calibration import calibration_figure
from shortstack.report.figures.canvas import png_in
from shortstack.report.figures.comparison import comparison_figure
from shortstack.report.figures.compression import compression_figure
from shortstack.report.figures.convergence import convergence_figure
from shortstack.report.figures.importance import importance_figure
from shortstack.report.figures.speed import speed_figure
from shortstack.result import RunResult

__all__ = [
    "agreement_figure",
    "calibration_figure",
    "comparison_figure",
    "compression_figure",
    "convergence_figure",
    "importance_figure",
    "png_files",
    "speed_figure",
]

_ALL = (
    comparison_figure,
    compression_figure,
    speed_figure,
    calibration_figure,
    importance_figure,
    convergence_figure,
    agreement_figure,
)


def png_files(result: RunResult, folder: Path) -> dict[str, Path]:
    """Write every figure that a result has into a folder; return the files by the figures' names."""
    drawn = [figure(result, png_in(folder)) for figure in _ALL]
    return {Path(path).stem: Path(path) for path in drawn if path}
