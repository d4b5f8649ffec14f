"""Comparisons whose failures say what differs, by how much, and what would have been tolerated."""

from typing import TYPE_CHECKING

from shortstack.testing.tolerances import DOUBLE, SINGLE, Tolerance

if TYPE_CHECKING:
    from torch import Tensor


def tolerance_for(dtype: str) -> Tolerance:
    """What scores of a model of this type are compared with."""
    return DOUBLE if dtype == "float64" else SINGLE


def require(condition: object, problem: str) -> None:
    """What must hold; ``assert`` would vanish under ``python -O``.

    Raises:
        AssertionError: It does not; says what is wrong.
    """
    if not condition:
        raise AssertionError(problem)


def assert_close(actual: "Tensor", expected: "Tensor", tolerance: Tolerance, what: str) -> None:
    """Two tensors agree.

    Args:
        actual: What came out.
        expected: What should have; the same shape.
        tolerance: How far they may be apart.
        what: Names them in the failure, for example ``"scores of the same examples in other batches"``.

    Raises:
        AssertionError: They do not; says where they are furthest apart.
    """
    if actual.shape != expected.shape:
        raise AssertionError(f"{what}: shape {tuple(actual.shape)} instead of {tuple(expected.shape)}")
    if not actual.numel():
        return
    left, right = actual.detach().double().cpu().flatten(), expected.detach().double().cpu().flatten()
    apart = (left - right).abs().masked_fill(left == right, 0)  # equal infinities are no distance apart
    largest = float(max(x.abs().nan_to_num(nan=0, posinf=0).max() for x in (left, right)))  # infinity allows nothing
    allowed = tolerance.absolute + tolerance.relative * largest
    worst = int(apart.nan_to_num(nan=float("inf")).argmax())
    if not float(apart[worst]) <= allowed:
        raise AssertionError(
            f"{what}: {float(left[worst])!r} instead of {float(right[worst])!r} at place {worst}, "
            f"{float(apart[worst]):.3g} apart; tolerated {allowed:.3g} ({tolerance})"
        )
