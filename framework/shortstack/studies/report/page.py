"""``report.html`` of a study: one self-contained page."""

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from shortstack.boundaries import read_as
from shortstack.files import written_whole
from shortstack.report.figures.canvas import inline_svg
from shortstack.report.tables import facts_table
from shortstack.run_layout import REPORT
from shortstack.studies.analysis.findings import findings
from shortstack.studies.analysis.intervals import intervals_in_words
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.figures import FIGURES
from shortstack.studies.folder import read_study
from shortstack.studies.report.tables import (
    ablations_table,
    convergence_table,
    failures_list,
    front_table,
    layers_table,
    results_table,
    scorers_table,
    slices_table,
)
from shortstack.version import __version__

_HEADINGS = {
    "pareto": ("What is the best for its size?", front_table),
    "ablations": ("What does each setting change?", ablations_table),
    "scorers": ("Who selects well, and where?", scorers_table),
    "layers": ("Which layers stay?", layers_table),
    "convergence": ("Did training settle?", convergence_table),
}
"""Figure → its heading, and the table of the same numbers."""


def write_report(summary: Summary) -> Path:
    """Write ``report.html`` into the study's folder, atomically.

    Raises:
        DataError: A run's result holds no figures that a report is made of.
        UnwritableError: The page cannot be written; an earlier one is kept.
    """
    with read_as(summary.folder, "holds a run without the figures of a report", "start the study again"):
        page = render(summary)
    path = summary.folder / REPORT
    with written_whole(path) as partial:
        partial.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


def render(summary: Summary) -> str:
    """Return the page; every text of the results is escaped, and the page loads no other resources."""
    first, *others = findings(summary)
    here, base = files("shortstack.studies.report"), read_study(summary.folder)["base"]
    return Template(here.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        style=files("shortstack.report").joinpath("style.css").read_text(encoding="utf-8"),
        version=escape(__version__),
        title=escape(_title(summary)),
        folder=escape(summary.folder.name),
        lead=escape(first),
        findings="".join(f"<li>{escape(line)}</li>" for line in others),
        tiles=_tiles(summary),
        failures=_section("Which runs failed?", failures_list(summary)),
        results="".join(_results(summary)),
        intervals=escape(intervals_in_words(summary)),
        figures="".join(_figures(summary)),
        slices="".join(_slices(summary)),
        environment=facts_table(summary.problems[0].example.environment if summary.problems else {}),
        config=facts_table(base),
    )


def _title(summary: Summary) -> str:
    varied = ", ".join(summary.columns.values()) or "one setting"
    return f"{varied}: {summary.seeds} seed{'s' * (summary.seeds != 1)}" if summary.seeds else varied


def _tiles(summary: Summary) -> str:
    counts = {
        "runs finished": f"{sum(len(setting.runs) for setting in summary.settings)} of {len(summary.outcomes)}",
        "settings": str(len(summary.settings)),
        "seeds": str(summary.seeds),
        "data sets and tasks": str(len(summary.problems)),
    }
    cells = (f"<div><dt>{name}</dt><dd>{count}</dd></div>" for name, count in counts.items())
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>{content}</section>" if content else ""


def _results(summary: Summary) -> Iterator[str]:
    for problem in summary.problems:
        yield f"<h3>{escape(problem.label)}</h3>{results_table(problem, summary)}"


def _figures(summary: Summary) -> Iterator[str]:
    for name, (heading, table) in _HEADINGS.items():
        drawing = FIGURES[name]
        figure = drawing.draw(summary)
        if figure is not None:
            caption = f"<figcaption>{escape(drawing.caption)}</figcaption>"
            drawn = f"<figure>{inline_svg(figure, name, drawing.description)}{caption}</figure>"
            yield _section(heading, f"{drawn}<details><summary>The numbers</summary>{table(summary)}</details>")


def _slices(summary: Summary) -> Iterator[str]:
    tables = [(problem.label, slices_table(problem)) for problem in summary.problems]
    content = "".join(f"<h3>{escape(label)}</h3>{table}" for label, table in tables if table)
    note = (
        '<p class="note">Means over all settings and seeds. Head: the fewest items that hold half of the training interactions; '
        "tail: all others. New item: one without training interactions. Short: histories of at most the median length in "
        "training. Cold: users without training interactions.</p>"
    )
    yield _section("For whom is it worse?", content and content + note)
