"""Tables as HTML, for the pages of reports and for notebooks."""

from collections.abc import Iterable
from html import escape

from shortstack.terminal_text import visible


def row(cell: str, contents: Iterable[str]) -> str:
    """Return a row of cells of one kind, ``th`` or ``td``, whose contents are HTML already."""
    return "<tr>" + "".join(f"<{cell}>{content}</{cell}>" for content in contents) + "</tr>"


def table(head: str, rows: Iterable[str], kind: str = "numbers") -> str:
    """Return a table that scrolls where it is wider than the page."""
    return (
        f'<div class="scroll"><table class="{kind}"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def table_of_values(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Return a table of any values, each of which is escaped.

    >>> "<td>&lt;b&gt;</td><td>1</td>" in table_of_values(("title", "count"), [("<b>", 1)])
    True
    """
    return table(row("th", map(escaped, head)), (row("td", map(escaped, cells)) for cells in rows))


def escaped(value: object) -> str:
    """Return a value's text as HTML, with control characters and marks of direction spelt out."""
    return escape(visible(value))
