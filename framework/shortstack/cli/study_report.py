"""``shortstack study-report``: what a study puts out, from its results alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortstack.cli.options import echo

if TYPE_CHECKING:
    from shortstack.studies.result import StudyResult


def study_report(
    folder: Annotated[Path, typer.Argument(help="The study's folder.")],
    paper: Annotated[
        bool, typer.Option("--paper", help="Also write paper/, an article in LaTeX, and compile it where pdflatex is.")
    ] = False,
) -> None:
    """Write a study's tables, report.html and supplementary.zip anew, as far as its runs are finished.

    Example:
        shortstack study-report studies/ratios --paper
    """
    from shortstack.studies.result import StudyResult

    result = StudyResult.load(folder)
    result.save()
    write_outputs(result, paper=paper)


def write_outputs(result: "StudyResult", *, paper: bool) -> None:
    """Write all that is made of a study's tables, and say where each is; the paper last, for LaTeX may refuse it."""
    echo(f"tables: {result.folder / 'results.parquet'}, .csv and .json")
    echo(f"report: {result.report()}")
    echo(f"supplementary: {result.supplementary()}")
    if paper:
        echo(f"paper: {result.paper()}")
