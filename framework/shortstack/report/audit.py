"""The audit of the scorers as a table, on the page and in the terminal."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from rich.table import Table
from rich.text import Text

from shortstack.result import RunResult

_HEADS = ("choice", "kept", "Spearman", "Kendall", "overlap", "loss", "NDCG@10", "forwards")
_NOT_AUDITED = "<p>The scorers were not audited: <code>shortstack audit</code> does it for a finished run.</p>"


def audit_table(result: RunResult) -> Table:
    """For the terminal: each scorer against the oracle, and what its choice costs before distillation."""
    table = Table(*_HEADS, title="calibration users; NDCG on validation users", title_justify="left", title_style="dim")
    for name, kept, *cells in _rows(result):
        table.add_row(
            name, kept, *(Text.assemble(main, ("\n" + small if small else "", "dim")) for main, small in cells)
        )
    return table


def audit_html(result: RunResult) -> str:
    """The same for the page."""
    if not result.audit:
        return _NOT_AUDITED
    head = "".join(f"<th>{head}</th>" for head in _HEADS)
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(kept)}</td>"
        + "".join(f"<td>{main}{f'<small>{small}</small>' if small else ''}</td>" for main, small in cells)
        + "</tr>"
        for name, kept, *cells in _rows(result)
    )
    table = f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _rows(result: RunResult) -> "Iterator[tuple[Any, ...]]":
    """Name, kept layers, and (value, interval) as texts: the scorers, then the oracle, then choices by position alone."""
    audit, size = result.audit, len(result.selection["kept"])
    for name, choice in audit["pruned"].items():
        agreement = audit["agreement"].get(name, {})
        overlap, forwards = agreement.get("overlap"), audit["forwards"].get(name)
        yield (
            name,
            "all" if len(choice["kept"]) == result.selection["of"] else ", ".join(map(str, choice["kept"])),
            _estimate(agreement.get("spearman/loss"), "{:+.2f}"),
            _estimate(agreement.get("kendall/loss"), "{:+.2f}"),
            ("" if overlap is None else f"{overlap[size - 1]:.0%}", ""),
            _estimate(choice["loss"], "{:.3f}"),
            _estimate(choice["ndcg@10"], "{:.4f}"),
            ("" if forwards is None else f"{forwards:.1f}", ""),
        )


def _estimate(estimate: Sequence[float] | None, form: str) -> tuple[str, str]:
    if estimate is None:
        return "", ""
    value, low, high = (form.format(part).replace("-", "−") for part in estimate)
    return value, f"{low} to {high}"
