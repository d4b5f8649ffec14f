"""Is a model right as often as it says? Its confidence against its accuracy."""

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.evaluation.bootstrap import Values

BINS = 10


@attrs.frozen(kw_only=True)
class CalibrationBin:
    """The cases of about one confidence.

    Attributes:
        confidence: The mean probability of what was held to be likeliest.
        accuracy: How often that was right.
        cases: How many there are.
    """

    confidence: float
    accuracy: float
    cases: int


@attrs.frozen(kw_only=True)
class CalibrationCurve:
    """Confidence against accuracy, in bins of equal width.

    Attributes:
        bins: Those that hold cases, by confidence.
        error: The mean distance of the two, by cases.
            Source: Guo et al. 2017, On calibration of modern neural networks, arXiv 1706.04599, equation 3.
    """

    bins: tuple[CalibrationBin, ...]
    error: float


def calibration_curve(confidences: Values, right: NDArray[np.bool_]) -> CalibrationCurve:
    """The curve of some cases.

    Args:
        confidences: float64 ``(cases,)``: the probability of each case's likeliest option.
        right: Bool ``(cases,)``: whether that was the right one.

    >>> round(calibration_curve(np.array([0.95, 0.95, 0.5]), np.array([True, False, True])).error, 3)
    0.467
    """
    places = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
    bins = tuple(
        CalibrationBin(
            confidence=float(confidences[places == place].mean()),
            accuracy=float(right[places == place].mean()),
            cases=int((places == place).sum()),
        )
        for place in np.unique(places)
    )
    error = sum(abs(one.confidence - one.accuracy) * one.cases for one in bins) / max(len(right), 1)
    return CalibrationCurve(bins=bins, error=error)
