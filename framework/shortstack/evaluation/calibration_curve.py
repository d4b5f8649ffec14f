"""Calibration curve: a model's confidence against its accuracy."""

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.evaluation.bootstrap import Values

BINS = 10


@attrs.frozen(kw_only=True)
class CalibrationBin:
    """The cases with a confidence in one bin.

    Attributes:
        confidence: Mean probability of the likeliest option.
        accuracy: Share of cases in which the likeliest option was correct.
        cases: Number of cases.
    """

    confidence: float
    accuracy: float
    cases: int


@attrs.frozen(kw_only=True)
class CalibrationCurve:
    """Confidence against accuracy, in bins of equal width.

    Attributes:
        bins: Non-empty bins, by confidence.
        error: Expected calibration error (ECE): the mean absolute difference of the two, weighted by cases.
            Source: Guo et al. 2017, On calibration of modern neural networks, arXiv 1706.04599, equation 3.
    """

    bins: tuple[CalibrationBin, ...]
    error: float


def calibration_curve(confidences: Values, right: NDArray[np.bool_]) -> CalibrationCurve:
    """Return the calibration curve of some cases.

    Args:
        confidences: float64 ``(cases,)``: the probability of each case's likeliest option.
        right: Bool ``(cases,)``: True if that option was correct.

    >>> round(calibration_curve(np.array([0.95, 0.95, 0.5]), np.array([True, False, True])).error, 3)
    0.467
    """
    places = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)  # a confidence of 1 belongs to the last bin
    bins = tuple(
        CalibrationBin(
            confidence=float(confidences[places == place].mean()),
            accuracy=float(right[places == place].mean()),
            cases=int((places == place).sum()),
        )
        for place in np.unique(places)
    )
    error = sum(abs(part.confidence - part.accuracy) * part.cases for part in bins) / max(len(right), 1)
    return CalibrationCurve(bins=bins, error=error)
