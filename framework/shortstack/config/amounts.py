"""Amounts as users write them: ``25%``, ``35M``, ``1.5G``, ``35_000_000``; only shares have a percent sign."""

import re
from typing import Final

from shortstack.errors import ConfigurationError

SUFFIXES: Final = {"K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_FORM: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def share_in(amount: object) -> float | None:
    """Return the share that a text with a percent sign denotes; None for anything else.

    >>> share_in("25%"), share_in("25"), share_in(0.25)
    (0.25, None, None)
    """
    text = amount.strip() if isinstance(amount, str) else ""
    return _number(text[:-1], amount) / 100 if text.endswith("%") else None


def written(amount: object) -> object:
    """Normalise an amount: a share to a text, ``"25%"``, a count to a number; what is not a text is returned unchanged.

    Raises:
        ConfigurationError: A text is neither a share nor a count.

    >>> written("2.5e1 %"), written("1.5G"), written("8"), written("0.5"), written(8)
    ('25%', 1500000000, 8, 0.5, 8)
    """
    if not isinstance(amount, str):
        return amount
    share = share_in(amount)
    if share is not None:
        # 12 digits hide rounding errors: 0.07 * 100 is 7.000000000000001
        return f"{share * 100:.12g}%"
    text = amount.strip()
    factor = SUFFIXES.get(text[-1:].upper())
    number = _number(text if factor is None else text[:-1], amount)
    if factor is not None:
        return round(number * factor)
    return int(number) if number.is_integer() else number


def _number(text: str, amount: object) -> float:
    plain = text.strip().replace(",", "").replace("_", "")
    if not _FORM.fullmatch(plain) or abs(float(plain)) == float("inf"):
        raise ConfigurationError(
            f"an amount is a number, one with K, M, G or T, or a share such as 25%, got {amount!r}"
        )
    return float(plain)
