"""Markdown of the pages that are written from the code."""

from collections.abc import Iterable

NOTE = "<!-- Written by docs/generate.py from the code; edit the docstrings there. -->"


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table, and an empty one."""
    # an unescaped bar would end the cell
    cells = [" | ".join(plain(cell).replace("|", "\\|") for cell in row) for row in rows]
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {row} |" for row in cells), ""]


def plain(text: str) -> str:
    """Return a docstring's text as Markdown has it."""
    return text.replace("``", "`")
