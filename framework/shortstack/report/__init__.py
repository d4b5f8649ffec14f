"""The report of a run: an HTML page with figures and tables, tables for the terminal, and a verdict in words."""

from shortstack.report.audit import audit_table
from shortstack.report.page import write_report
from shortstack.report.terminal import sizes_table, speed_table, terminal_table
from shortstack.report.verdict import verdict

__all__ = ["audit_table", "sizes_table", "speed_table", "terminal_table", "verdict", "write_report"]
