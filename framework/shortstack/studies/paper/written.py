"""Writes ``paper/`` of a study: the article, and its figures as PDF."""

from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

import matplotlib as mpl

from shortstack.boundaries import read_as
from shortstack.files import written_whole
from shortstack.studies.analysis.findings import findings
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.figures import FIGURES
from shortstack.studies.paper import method, notes, results
from shortstack.studies.paper.latex import escaped
from shortstack.studies.paper.references import References
from shortstack.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from shortstack.registry import Registry

PAPER: Final = "paper"
ARTICLE: Final = "article.tex"


class _Article(Template):
    """A template whose placeholders LaTeX has no use for."""

    delimiter = "§"


def write_paper(summary: Summary, registry: "Registry") -> Path:
    """Write ``paper/article.tex`` and its figures into the study's folder; return the article's path.

    Raises:
        DataError: A run's result holds no figures that a paper is made of.
        UnwritableError: A file cannot be written.
    """
    folder = summary.folder / PAPER
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    with read_as(summary.folder, "holds a run without the figures of a paper", "start the study again"):
        drawn = {name: figure for name, drawing in FIGURES.items() if (figure := drawing.draw(summary)) is not None}
        text = article(summary, registry, list(drawn))
    for name, figure in drawn.items():
        _save(figure, folder / "figures" / f"{name}.pdf")
    with written_whole(folder / ARTICLE) as partial:
        partial.write_text(text, encoding="ascii")
    return folder / ARTICLE


def _save(figure: "Figure", path: Path) -> None:
    """Write a figure with its fonts embedded as outlines, and without the time."""
    with written_whole(path) as partial, mpl.rc_context({"pdf.fonttype": 42}):
        figure.savefig(partial, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})


def article(summary: Summary, registry: "Registry", drawn: list[str]) -> str:
    """Return the article, with the figures that were drawn."""
    references = References(registry=registry)
    template = files("shortstack.studies.paper").joinpath("article.tex").read_text(encoding="utf-8")
    sections = {
        "title": _title(summary),
        "abstract": notes.abstract(summary, findings(summary)),
        "varied": notes.varied(summary),
        "teacher": method.teacher(summary),
        "scores": method.scores(summary, references),
        "strategies": method.strategies(summary),
        "losses": method.losses(summary, references),
        "training": method.training(summary),
        "data": notes.data(summary),
        "protocol": notes.protocol(summary),
        "results": results.results(summary, drawn),
        "ablations": results.ablation_section(summary, drawn),
        "layers": results.figure_section("Which layers stay", "layers", drawn),
        "convergence": results.figure_section("Convergence", "convergence", drawn),
        "slices": results.slices_section(summary),
        "failures": notes.failures(summary),
        "limitations": notes.limitations(summary),
        "reproducibility": notes.reproducibility(summary),
    }
    return _Article(template).substitute(version=__version__, references=references.section(), **sections)


def _title(summary: Summary) -> str:
    varied = ", ".join(summary.columns.values())
    return "Removing layers from transformer recommenders" + (f": a study of {escaped(varied)}" if varied else "")
