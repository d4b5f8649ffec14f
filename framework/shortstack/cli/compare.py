"""``shortstack compare``: models of finished runs, or of a study's settings, case by case."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from shortstack.cli.options import Json, cell, echo, echo_json
from shortstack.contracts.headlines import KEEPS, formatted_metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shortstack.evaluation.comparisons import Estimate
    from shortstack.studies.comparison import Comparison, Comparisons

_PLAIN: Final = frozenset({"run", "variant"})
"""Names whose values speak for themselves."""


def compare(  # noqa: PLR0917 -- the options of a command
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folders of finished runs, the first is the reference; or the folder of one study."),
    ],
    model: Annotated[str, typer.Option(help="The model: student, pruned, teacher, ….")] = "student",
    metric: Annotated[
        str | None, typer.Option(help="A headline metric; by default the one that models were selected by.")
    ] = None,
    keeps: Annotated[float, typer.Option(help="Share of the reference's metric that is tested to be kept.")] = KEEPS,
    reference: Annotated[
        str | None, typer.Option(help="Of a study: another model of each run, or a variant; by default the teacher.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare models of finished runs over the users that they share: differences, ratios, intervals, corrected tests.

    Example:
        shortstack compare runs/first runs/second --metric ndcg@10
    """
    comparisons = _compared(folders, model, metric, keeps, reference)
    if as_json:
        echo_json({"rows": [row.row() for row in comparisons.rows], "left_out": dict(comparisons.left_out)})
    else:
        _show(comparisons)


def _compared(
    folders: "Sequence[Path]", model: str, metric: str | None, keeps: float, reference: str | None
) -> "Comparisons":
    from shortstack.errors import ConfigurationError
    from shortstack.studies.finished_runs import compare as compare_runs
    from shortstack.studies.folder import STUDY
    from shortstack.studies.result import StudyResult

    studies = [folder for folder in folders if (folder / STUDY).is_file()]
    if studies and len(folders) > 1:
        raise ConfigurationError(
            f"{studies[0]} is a study, which is compared by itself; name it alone, or runs in its runs/"
        )
    if studies:
        return StudyResult.load(studies[0]).compare(model, reference or "teacher", metric, keeps=keeps)
    if reference is not None:
        raise ConfigurationError("--reference is for a study; of several runs the first is the reference")
    return compare_runs(folders, of=model, metric=metric, keeps=keeps)


def _show(comparisons: "Comparisons") -> None:
    first = comparisons.rows[0]
    metrics = " and ".join(dict.fromkeys(formatted_metric(row.metric) for row in comparisons.rows))
    echo(f"{metrics} of {first.of}, less that of {first.reference} (in brackets)")
    Console().print(_table(comparisons.rows))
    for line in _explained(comparisons.rows):
        echo(line)
    for setting, why in comparisons.left_out.items():
        echo(f"not compared: {setting}, {why}")


def _explained(rows: "Sequence[Comparison]") -> "Iterator[str]":
    """Yield what the figures are over, and what the tests are of."""
    over = " or ".join(dict.fromkeys(row.over for row in rows))
    users = sorted({(row.users, row.test_users) for row in rows})
    shared = " or ".join(f"{some:,}" if some == every else f"{some:,} of {every:,}" for some, every in users)
    yield f"95 % intervals over {over}; users that both test: {shared}"
    if over == "users":
        yield "one run each: trainings with other seeds may differ by more"
    yield f"p: of no difference; p and the verdict (at least {rows[0].keeps:.3g} is kept) are corrected by Holm for {len(rows)}"


def _table(rows: "Sequence[Comparison]") -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("setting", overflow="fold")
    for name in ("value", "difference", "ratio", "p", "verdict"):
        table.add_column(name, justify="left" if name == "verdict" else "right", no_wrap=True)
    names = _shown(rows)
    for row in rows:
        lines = [cell(_line(short, row.setting[name])) for name, short in names.items()]
        table.add_row("\n".join(filter(None, lines)) or "base", *_figures(row))
    return table


def _line(name: str, value: object) -> str:
    """Return a setting as a line: a variant as it is, a run as the last part of its folder, and others with their names."""
    if name in _PLAIN:
        return "" if value is None else Path(str(value)).name
    return f"{name}={value}"


def _shown(rows: "Sequence[Comparison]") -> dict[str, str]:
    """Return the names of the settings that vary among the rows, with short ones; all of them where there is one row."""
    from shortstack.studies.grid import short_names

    names = short_names([name for row in rows for name in row.setting])
    varying = {name for name in names if len({str(row.setting[name]) for row in rows}) > 1 or len(rows) == 1}
    return {name: short for name, short in names.items() if name in varying}


def _figures(row: "Comparison") -> list[str]:
    values = [f"{each[0]:.4f}" if each else "–" for each in (row.value, row.reference_value)]
    p = "" if row.p_holm is None else "<0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"
    return [
        f"{values[0]}\n({values[1]})",
        _estimate(row.difference, "+.4f"),
        _estimate(row.ratio, ".3f"),
        p,
        row.verdict,
    ]


def _estimate(estimate: "Estimate | None", form: str) -> str:
    if estimate is None:
        return ""
    value, low, high = (format(one, form) for one in estimate)
    return f"{value}\n{low}…{high}"
