"""Tables of the audit of the scorers, for the page and the terminal."""

from collections.abc import Iterator, Sequence
from html import escape

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from shortstack.contracts.headlines import formatted_metric
from shortstack.result import RunResult

Cell = tuple[str, str]
"""A value, and its interval or an empty text."""

_HEADS = ("choice", "kept", "Spearman", "Kendall", "overlap", "loss", "quality", "cost")
_IN_TERMINALS = tuple(head for head in _HEADS if head != "Kendall")
_NOT_AUDITED = "<p>The scorers were not audited: <code>shortstack audit</code> does it for a finished run.</p>"


def audit_table(result: RunResult) -> Table:
    """Return the terminal table: each scorer against the oracle, and the quality of its selection before distillation."""
    title = f"calibration users; quality: {formatted_metric(result.selected_by)} on validation users; cost in forwards"
    table = Table(title=title, title_justify="left", title_style="dim", box=SIMPLE, padding=(0, 1, 0, 0))
    for head in _IN_TERMINALS:
        table.add_column(head, justify="left" if head in {"choice", "kept"} else "right", no_wrap=head != "kept")
    for row in _rows(result):
        cells = dict(zip(_HEADS, row, strict=True))
        table.add_row(*(_text(*cells[head], short=head == "loss") for head in _IN_TERMINALS))
    return table


def audit_html(result: RunResult) -> str:
    """Return the audit's table as HTML."""
    if not result.audit:
        return _NOT_AUDITED
    head = "".join(f"<th>{head}</th>" for head in _HEADS)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(main)}{_small(small)}</td>' for main, small in row)}</tr>" for row in _rows(result)
    )
    table = f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _rows(result: RunResult) -> Iterator[tuple[Cell, ...]]:
    """Yield rows with a cell for each of ``_HEADS``: scorers, including the oracle, then selections by position alone."""
    audit, size = result.audit, len(result.selection["kept"])
    for name, choice in audit["pruned"].items():
        agreement = audit["agreement"].get(name, {})
        overlap, forwards = agreement.get("overlap"), audit["forwards"].get(name)
        kept = "all" if len(choice["kept"]) == result.selection["of"] else ", ".join(map(str, choice["kept"]))
        yield (
            (name, ""),
            (kept, ""),
            _estimate(agreement.get("spearman/loss"), "{:+.2f}"),
            _estimate(agreement.get("kendall/loss"), "{:+.2f}"),
            ("" if overlap is None else f"{overlap[size - 1]:.0%}", ""),
            _estimate(choice["loss"], "{:.3f}"),
            _estimate(choice[result.selected_by], "{:.4f}"),
            ("" if forwards is None else f"{forwards:.1f}", ""),
        )


def _text(main: str, small: str, *, short: bool) -> Text:
    return Text(main) if short or not small else Text.assemble(main, ("\n" + small, "dim"))


def _small(text: str) -> str:
    return f"<small>{text}</small>" if text else ""


def _estimate(estimate: Sequence[float] | None, form: str) -> Cell:
    if estimate is None:
        return "", ""
    value, low, high = (form.format(part).replace("-", "−") for part in estimate)
    return value, f"{low}…{high}"
