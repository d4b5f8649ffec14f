"""Holm's correction for several comparisons."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted so that the chance of any false alarm in the family is at most the level, however they depend.

    ``p̃(i) = max over j ≤ i of min(1, (m − j + 1) · p(j))``, p(1) the smallest of m.

    Args:
        p_values: The p-values of a family; None is undefined and does not count.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    defined = [place for place, p in enumerate(p_values) if p is not None]
    values = np.array([p_values[place] for place in defined], dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.arange(len(values), 0, -1) * values[order]
    adjusted: list[float | None] = [None] * len(p_values)
    for place, value in zip(order, np.minimum(1.0, np.maximum.accumulate(stepped)), strict=True):
        adjusted[defined[place]] = float(value)
    return adjusted
