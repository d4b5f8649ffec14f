"""The audit of the scorers, as a table."""

import io

from rich.box import ASCII
from rich.console import Console

from shortstack.report import audit_table
from shortstack.report.audit import audit_html


def printed(result):
    """Return the table's rows as printed without colours, one list of cells per line."""
    stream, table = io.StringIO(), audit_table(result)
    table.box = ASCII
    Console(file=stream, width=160).print(table)
    lines = [line for line in stream.getvalue().splitlines() if "|" in line and "-+-" not in line]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines][1:]


def test_each_choice_has_a_row(result):
    """A value with its interval below; what is undefined, or makes no sense for a choice, is left empty."""
    rows = [line for line in printed(result) if line[0]]

    assert [row[0] for row in rows] == ["all layers", "fisher", "constant", "uniform"]
    assert rows[0][1:] == ["all", "", "", "6.000", "0.0150", ""]
    assert rows[1][1:] == ["0, 5, 11", "+0.50", "50%", "6.000", "0.0150", "3.2"]
    assert rows[2][1:] == ["0, 5, 11", "", "10%", "6.000", "", ""]
    assert ["", "", "+0.10…+0.90", "", "", "0.0100…0.0200", ""] in printed(result)


def test_the_page_has_the_same(result, changed, audited):
    """The page has the same table, with escaped names."""
    assert "<td>fisher</td><td>0, 5, 11</td><td>+0.50<small>+0.10…+0.90</small></td>" in audit_html(result)
    assert "<td>&lt;b&gt;</td>" in audit_html(changed(audit=audited("<b>")))
    assert "shortstack audit" in audit_html(changed(audit={}))
