"""A study's report: one self-contained page."""

from shortstack.studies.report.page import write_report as write_report
