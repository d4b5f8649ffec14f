"""Assertions whose messages give the difference, its place, and the tolerance."""

from typing import TYPE_CHECKING

from shortstack.testing.tolerances import DOUBLE, SINGLE, Tolerance

if TYPE_CHECKING:
    from torch import Tensor


def tolerance_for(dtype: str) -> Tolerance:
    """Return the tolerance for scores of a model of this dtype.

    >>> tolerance_for("bfloat16") is SINGLE
    True
    """
    return DOUBLE if dtype == "float64" else SINGLE


def require(condition: object, problem: str) -> None:
    """Raise if a condition does not hold; ``assert`` would vanish under ``python -O``.

    Raises:
        AssertionError: The condition is false; the message is ``problem``.
    """
    if not condition:
        raise AssertionError(problem)


def assert_close(actual: "Tensor", expected: "Tensor", tolerance: Tolerance, what: str) -> None:
    """Raise if two tensors differ by more than a tolerance.

    Args:
        actual: The computed tensor.
        expected: The reference, of the same shape.
        tolerance: The largest allowed difference.
        what: Name of the values in the message, for example ``"scores of the same examples in other batches"``.

    Raises:
        AssertionError: They differ; the message gives the place of the largest difference.
    """
    if actual.shape != expected.shape:
        raise AssertionError(f"{what}: shape {tuple(actual.shape)} instead of {tuple(expected.shape)}")
    if not actual.numel():
        return
    left, right = actual.detach().double().cpu().flatten(), expected.detach().double().cpu().flatten()
    apart = (left - right).abs().masked_fill(left == right, 0)  # ∞ − ∞ is NaN: equal infinities count as 0 apart
    # posinf=0: an infinity must not make every difference tolerable
    largest = float(max(x.abs().nan_to_num(nan=0, posinf=0).max() for x in (left, right)))
    allowed = tolerance.absolute + tolerance.relative * largest
    worst = int(apart.nan_to_num(nan=float("inf")).argmax())
    if not float(apart[worst]) <= allowed:
        raise AssertionError(
            f"{what}: {float(left[worst])!r} instead of {float(right[worst])!r} at place {worst}, "
            f"{float(apart[worst]):.3g} apart; tolerated {allowed:.3g} ({tolerance})"
        )
