"""Figures of a report, one per file; each turns a result into an inline SVG."""

from shortstack.report.figures.agreement import agreement_figure
from shortstack.report.figures.calibration import calibration_figure
from shortstack.report.figures.comparison import comparison_figure
from shortstack.report.figures.compression import compression_figure
from shortstack.report.figures.convergence import convergence_figure
from shortstack.report.figures.importance import importance_figure
from shortstack.report.figures.speed import speed_figure

__all__ = [
    "agreement_figure",
    "calibration_figure",
    "comparison_figure",
    "compression_figure",
    "convergence_figure",
    "importance_figure",
    "speed_figure",
]
