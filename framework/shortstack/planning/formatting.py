"""Formatting of amounts (``8.03G``, ``42 s``), and parsing of budgets."""

from shortstack.config.amounts import SUFFIXES
from shortstack.config.budget import BUDGETS, SHORT_NAMES, Budget
from shortstack.errors import ConfigurationError, UnknownNameError


def budget_named(text: str) -> Budget:
    """Parse a budget from ``"name=amount"``, with the names and amounts that ``[selection]`` takes.

    Raises:
        ConfigurationError: It is not of that form, or the amount is not allowed.
        UnknownNameError: There is no such budget; suggests the nearest.

    >>> budget_named("params=25%")
    Budget(parameters='25%')
    >>> budget_named("body=35M")
    Budget(body_parameters=35000000)
    """
    name, separator, amount = (part.strip() for part in text.partition("="))
    if not separator:
        raise ConfigurationError(f"a budget is name=amount, for example params=25% or layers=8, got {text!r}")
    full = SHORT_NAMES.get(name, name)
    if full not in BUDGETS:
        raise UnknownNameError("budget", name, [*SHORT_NAMES, *BUDGETS])
    return Budget(**{full: amount})


def formatted(amount: float) -> str:
    """Format an amount with three digits and a suffix.

    >>> formatted(8030261248), formatted(4096), formatted(12)
    ('8.03G', '4.10K', '12')
    """
    for suffix in ("T", "G", "M", "K"):
        if abs(amount) >= SUFFIXES[suffix]:
            return (
                # ``#`` keeps trailing zeros, but would leave a dot behind three digits
                f"{amount / SUFFIXES[suffix]:.3g}{suffix}"
                if amount / SUFFIXES[suffix] >= 100
                else f"{amount / SUFFIXES[suffix]:#.3g}{suffix}"
            )
    return f"{amount:g}"


def formatted_time(seconds: float) -> str:
    """Format a time with two or three digits.

    >>> formatted_time(0.3), formatted_time(42.4), formatted_time(600), formatted_time(9000)
    ('< 1 s', '42 s', '10 min', '2.5 h')
    """
    if seconds < 1:
        return "< 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def gibibytes(size: float) -> str:
    """Format a number of bytes in GiB, with two digits.

    >>> gibibytes(1.5 * 2**30)
    '1.5 GiB'
    """
    return f"{size / 2**30:.2g} GiB"
