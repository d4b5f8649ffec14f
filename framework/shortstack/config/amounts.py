"""Amounts as people write them: ``25%``, ``35M``, ``1.5G``, ``35_000_000``; a share has a percent sign, a count has none."""

import re
from typing import Final

from shortstack.errors import ConfigurationError

SUFFIXES: Final = {"K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_FORM: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def share_in(amount: object) -> float | None:
    """The share that a text with a percent sign is; None for all else.

    >>> share_in("25%"), share_in("25"), share_in(0.25)
    (0.25, None, None)
    """
    text = amount.strip() if isinstance(amount, str) else ""
    return _number(text[:-1], amount) / 100 if text.endswith("%") else None


def written(amount: object) -> object:
    """An amount in its one form: a share as a text, ``"25%"``, a count as a number; what is no text stays as it is.

    Raises:
        ConfigurationError: A text is neither.

    >>> written("2.5e1 %"), written("1.5G"), written("8"), written("0.5"), written(8)
    ('25%', 1500000000, 8, 0.5, 8)
    """
    if not isinstance(amount, str):
        return amount
    share = share_in(amount)
    if share is not None:
        return f"{share * 100:.12g}%"
    text = amount.strip()
    factor = SUFFIXES.get(text[-1:].upper())
    found = _number(text if factor is None else text[:-1], amount)
    if factor is not None:
        return round(found * factor)
    return int(found) if found.is_integer() else found


def _number(text: str, amount: object) -> float:
    plain = text.strip().replace(",", "").replace("_", "")
    if not _FORM.fullmatch(plain) or abs(float(plain)) == float("inf"):
        raise ConfigurationError(
            f"an amount is a number, one with K, M, G or T, or a share such as 25%, got {amount!r}"
        )
    return float(plain)
