"""Sizes and times in few digits."""

from matplotlib.ticker import EngFormatter

from shortstack.studies.analysis.problem import Setting


def in_digits(value: float | None) -> str:
    """Return a size or a time in three digits, with k, M, G for thousands and so on; empty where it is unknown.

    >>> in_digits(259440), in_digits(2.0417), in_digits(None)
    ('259k', '2.04', '')
    """
    if value is None:
        return ""
    return f"{value:.3g}" if value < 1000 else EngFormatter(sep="").format_eng(float(f"{value:.3g}"))


def layers_kept(setting: Setting) -> str:
    """Return how many layers stay of how many, a range where seeds differ."""
    counts = {len(result.selection["kept"]) for result in setting.results}
    return f"{'–'.join(map(str, sorted({min(counts), max(counts)})))} of {setting.results[0].selection['of']}"
