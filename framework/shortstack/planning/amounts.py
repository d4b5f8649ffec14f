"""Amounts as people write them: ``25%``, ``0.25``, ``35M``, ``1.5G``, ``35_000_000``."""

from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.selection.budgets import MEASURES, Budget

_NAMES = {
    "layers": "keep_layers",
    "ratio": "keep_ratio",
    "params": "parameters",
    "body": "body_parameters",
    "cache": "cache_bytes",
    "latency": "latency_ms",
}
"""Short names of budgets; their own are allowed as well."""

_SUFFIXES = {"K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}


def budget_named(text: str) -> Budget:
    """A budget from ``"name=amount"``.

    Raises:
        ConfigurationError: It is not of that form, or the amount is not allowed.
        UnknownNameError: There is no such budget; suggests the nearest.

    >>> budget_named("params=25%")
    Budget(parameters=0.25)
    >>> budget_named("body=35M")
    Budget(body_parameters=35000000)
    """
    name, separator, amount = text.partition("=")
    if not separator:
        raise ConfigurationError(f"a budget is name=amount, for example params=25% or layers=8, got {text!r}")
    name = _NAMES.get(name.strip(), name.strip())
    if name not in {"keep_layers", "keep_ratio", *MEASURES}:
        raise UnknownNameError("budget", name, [*_NAMES, *_NAMES.values(), *MEASURES])
    return Budget(**{name: amount_of(amount)})  # type: ignore[arg-type]


def amount_of(text: str) -> float:
    """A number, a share with a percent sign, or a number with a suffix: K, M, G or B, T for thousands of thousands.

    Raises:
        ConfigurationError: It is none of these.

    >>> amount_of("25%"), amount_of("1.5G"), amount_of("8")
    (0.25, 1500000000, 8)
    """
    plain = text.strip().replace(",", "").replace("_", "")
    try:
        if plain.endswith("%"):
            return float(plain[:-1]) / 100
        if plain[-1:].upper() in _SUFFIXES:
            return round(float(plain[:-1]) * _SUFFIXES[plain[-1].upper()])
        return int(plain) if plain.isdecimal() else float(plain)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"an amount is a number, a share such as 25% or 0.25, or one with K, M, G or T, got {text!r}"
        ) from error


def spoken(amount: float) -> str:
    """An amount with three digits and a suffix.

    >>> spoken(8030261248), spoken(4096), spoken(12)
    ('8.03G', '4.10K', '12')
    """
    for suffix in ("T", "G", "M", "K"):
        if abs(amount) >= _SUFFIXES[suffix]:
            return (
                f"{amount / _SUFFIXES[suffix]:.3g}{suffix}"
                if amount / _SUFFIXES[suffix] >= 100
                else f"{amount / _SUFFIXES[suffix]:#.3g}{suffix}"
            )
    return f"{amount:g}"


def spoken_time(seconds: float) -> str:
    """A time with two digits or three.

    >>> spoken_time(0.3), spoken_time(42.4), spoken_time(600), spoken_time(9000)
    ('< 1 s', '42 s', '10 min', '2.5 h')
    """
    if seconds < 1:
        return "< 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
