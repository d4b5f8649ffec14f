"""Amounts as users write them: ``25%``, ``35M``, ``1.5G``, ``35_000_000``; only shares have a percent sign."""

import re
from numbers import Integral, Real
from typing import Final

from shortstack.errors import ConfigurationError

SUFFIXES: Final = {"K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_GROUPS: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+(?![\d,]).*")
_FORM: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def share_in(amount: object) -> float | None:
    """Return the share that a text with a percent sign denotes; None for anything else.

    >>> share_in("25%"), share_in("25"), share_in(0.25)
    (0.25, None, None)
    """
    text = amount.strip() if isinstance(amount, str) else ""
    return _number(text[:-1], amount) / 100 if text.endswith("%") else None


def written(amount: object) -> object:
    """Normalise an amount: a share to a text, ``"25%"``, a count to a number, NumPy's numbers to Python's.

    Raises:
        ConfigurationError: A text is neither a share nor a count, or has a comma that separates no thousands.

    >>> written("2.5e1 %"), written("1.5G"), written("8"), written("0.5"), written(8.0)
    ('25%', 1500000000, 8, 0.5, 8)
    """
    if not isinstance(amount, str):
        return _whole(plain_number(amount))
    share = share_in(amount)
    if share is not None:
        # 12 digits hide rounding errors: 0.07 * 100 is 7.000000000000001
        return f"{share * 100:.12g}%"
    text = amount.strip()
    factor = SUFFIXES.get(text[-1:].upper())
    number = _number(text if factor is None else text[:-1], amount)
    if factor is not None:
        return round(number * factor)
    return _whole(number)


def _whole(number: object) -> object:
    """Return a float without decimals as an int, so that ``8``, ``8.0`` and ``"8"`` are one amount."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def plain_number(value: object) -> object:
    """Return a number of another library, such as NumPy's, as Python's; anything else unchanged.

    >>> from fractions import Fraction
    >>> plain_number(Fraction(1, 4)), plain_number("8"), plain_number(True)
    (0.25, '8', True)
    """
    if isinstance(value, bool | int) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _number(text: str, amount: object) -> float:
    grouped = text.strip()
    if "," in grouped and not _GROUPS.fullmatch(grouped):
        pointed = str(amount).strip().replace(",", ".")
        raise ConfigurationError(
            f"a comma in an amount separates groups of three digits, as in 1,500,000, and a point separates decimals; "
            f"got {amount!r}{f', for which write {pointed}' if pointed.count('.') == 1 else ''}"
        )
    plain = grouped.replace(",", "").replace("_", "")
    if not _FORM.fullmatch(plain) or abs(float(plain)) == float("inf"):
        raise ConfigurationError(
            f"an amount is a number, one with K, M, G or T, or a share such as 25%, got {amount!r}"
        )
    return float(plain)
