"""``report.html``: one self-contained page."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from shortstack.boundaries import read_as
from shortstack.config.writer import name_in_record
from shortstack.contracts.headlines import formatted_metric
from shortstack.files import written_whole
from shortstack.report.audit import audit_html
from shortstack.report.figures import (
    agreement_figure,
    calibration_figure,
    comparison_figure,
    compression_figure,
    convergence_figure,
    importance_figure,
    speed_figure,
)
from shortstack.report.methods import methods_of
from shortstack.report.tables import (
    comparisons_table,
    facts_table,
    losses_table,
    metrics_table,
    sizes_table,
    slices_table,
    speed_table,
    tried_table,
)
from shortstack.report.verdict import times_as_fast
from shortstack.result import RunResult
from shortstack.run_layout import REPORT, RESULT

_PROTOCOLS = {
    "full": "each target ranked among the whole catalogue, ties by their mid-rank",
    "sampled": "each target ranked among 999 sampled items only, which can reverse the order of models",
}


_CHANCE = "Pruned and student are of one shape: what differs between them is what else the machine did."
_SEEN = {
    "exclude": "; items of the user's history are no candidates",
    "include": "; items of the user's history are candidates like all others",
}
_OF_TASKS = {
    "click": "what each impression showed ranked by itself, ties by their mid-rank; a mean over impressions",
    "rating": "each rating predicted from what the user rated before",
}


def write_report(run_folder: Path) -> Path:
    """Read ``result.json`` in a run's folder and write ``report.html`` beside it, atomically.

    Raises:
        SourceNotFoundError: The folder has no ``result.json``.
        DataError: It cannot be read.
        UnwritableError: The page cannot be written; an earlier one is kept.
    """
    result = RunResult.load(run_folder)
    with (
        read_as(run_folder / RESULT, "holds no figures that a report is made of", "run again to write it anew"),
        _without_collections(),
    ):
        page = render(result)
    path = run_folder / REPORT
    with written_whole(path) as partial:
        partial.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


@contextmanager
def _without_collections() -> Iterator[None]:
    """Let Python collect no garbage meanwhile: figures make many objects, and each collection would look at all of torch's."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def render(result: RunResult) -> str:
    """Return the page; every text of the result is escaped, and the page loads no other resources."""
    here = files("shortstack.report")
    selection = result.selection
    # training curves, speed and sizes have figures and tables of their own
    curves = {name: value for name, value in result.cost.items() if name not in {"training", "speed", "sizes"}}
    return Template(here.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        style=here.joinpath("style.css").read_text(encoding="utf-8"),
        version=escape(result.shortstack),
        source=escape(_source(result)),
        tiles=_tiles(result),
        protocol=_protocol(result),
        selected_by=escape(formatted_metric(result.selected_by)),
        verdict=_verdict(result.verdict),
        comparison=comparison_figure(result),
        compression=compression_figure(result),
        speed=_speed(result),
        calibration=_calibration(result),
        importance=importance_figure(result),
        convergence=convergence_figure(result),
        losses=_losses(result),
        tried="".join(_tried(result, name) for name in result.baselines),
        metrics=metrics_table(result),
        comparisons=comparisons_table(result),
        slices=slices_table(result),
        kept=escape(", ".join(map(str, selection["kept"]))),
        of=selection["of"],
        strategy=escape(selection["strategy"]),
        budget=escape(selection["budget"]),
        reason=escape(selection["reason"]),
        steps=_steps(result),
        agreement=agreement_figure(result),
        audit=audit_html(result),
        details=_details(result),
        data=facts_table(result.data),
        cost=facts_table(curves),
        plugins=facts_table(result.plugins),
        environment=facts_table(result.environment),
        config=facts_table(result.config),
    )


def _protocol(result: RunResult) -> str:
    """Describe the evaluation protocol."""
    task = name_in_record(result.config.get("task", {}).get("name"))
    protocol = _OF_TASKS.get(task) or _PROTOCOLS[result.config.get("evaluation", {}).get("protocol", "full")]
    return protocol + _SEEN.get(result.cases.get("seen", ""), "")


def _calibration(result: RunResult) -> str:
    """Return the calibration figure; empty where ratings have no probabilities."""
    figure = calibration_figure(result)
    caption = "Ten bins of confidence on the test cases, larger marks for more of them; in brackets the mean distance from the dotted line."
    return f"<figure>{figure}<figcaption>{caption}</figcaption></figure>" if figure else ""


def _speed(result: RunResult) -> str:
    """Return the speed's figure and table; empty where it was not measured."""
    figure = speed_figure(result)
    if not figure:
        return ""
    device, threads = (result.environment.get(name, "?") for name in ("device", "threads"))
    caption = f"The same test users, one by one and 32 at once, on {device} ({threads} threads); the quickest of repeated passes. {_CHANCE}"
    return (
        f"<figure>{figure}<figcaption>{escape(caption)}</figcaption></figure>{speed_table(result)}{sizes_table(result)}"
    )


def _losses(result: RunResult) -> str:
    """Return the table of the student's losses with its heading; empty where they were not recorded."""
    table = losses_table(result)
    note = (
        "Means over the first steps and the last. The weight is what the balancing multiplied a loss by; the part is weight "
        "times loss, of their sum; the gradient is that of the loss before its weight, on the first layer."
    )
    return f'<h3>The student\'s losses</h3>{table}<p class="note">{note}</p>' if table else ""


def _tried(result: RunResult, baseline: str) -> str:
    """Return the table of the settings that were tried for a trained baseline, with its heading."""
    (method,) = methods_of([baseline])
    size = result.baselines[baseline]["parameters"]
    note = f"Trained on the training part, each until validation users no longer gain; they chose the one in bold, of {size:,} parameters."
    return f'<h3>Settings of {escape(method.label)}</h3>{tried_table(result, baseline)}<p class="note">{note}</p>'


def _steps(result: RunResult) -> str:
    """List the kept layers of each step before the last."""
    steps = result.selection.get("steps", ())
    points = (
        f"<li>After step {number}: layers {escape(', '.join(map(str, step['kept'])))} ({escape(step['reason'])}), "
        f"{step['parameters']:,} parameters</li>"
        for number, step in enumerate(steps, 1)
    )
    return f"<ul>{''.join(points)}</ul>" if steps else ""


def _details(result: RunResult) -> str:
    """Return what scorers recorded besides their scores, such as fitted weights; collapsed, for there may be many entries."""
    details = result.audit.get("details")
    return f"<details><summary>What the scorers recorded</summary>{facts_table(details)}</details>" if details else ""


def _source(result: RunResult) -> str:
    """Return the data's source as the settings name it, with the edition that was found there if it has another name."""
    source, edition = str(result.config.get("data", {}).get("source", "given interactions")), result.data.get("edition")
    return source if edition is None or str(edition) in source else f"{source}: {edition}"


def _verdict(text: str) -> str:
    """Return the verdict with the first statement large, the others as a list."""
    first, *others = text.splitlines() or [""]
    points = "".join(f"<li>{escape(line)}</li>" for line in others)
    return f'<p class="lead">{escape(first)}</p>' + (f"<ul>{points}</ul>" if points else "")


def _tiles(result: RunResult) -> str:
    """Return the key figures, at the top of the page."""
    sizes, kept = result.parameters, result.comparisons.get("student/teacher", {}).get(result.selected_by)
    quality = ("–", "undefined") if kept is None else (f"{kept[0]:.1%}", f"{kept[1]:.1%} to {kept[2]:.1%}")
    tiles = (
        (f"{formatted_metric(result.selected_by)} kept", *quality),
        *_speed_tile(result),
        ("layers kept", f"{len(result.selection['kept'])} of {result.selection['of']}", result.selection["strategy"]),
        _share("body parameters", sizes["student_body"], sizes["teacher_body"]),
        _share("all parameters", sizes["student"], sizes["teacher"]),
    )
    cells = (f"<div><dt>{escape(a)}</dt><dd>{escape(b)}<small>{escape(c)}</small></dd></div>" for a, b, c in tiles)
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def _speed_tile(result: RunResult) -> Iterator[tuple[str, str, str]]:
    """Yield the student's speed beside the teacher's, where both were measured."""
    speed = result.cost.get("speed", {})
    if {"student", "teacher"} <= speed.keys():
        together, alone = times_as_fast(speed)
        yield "as fast as the teacher", f"{together:.1f} ×", f"32 users at once; {alone:.1f} × for one alone"


def _share(label: str, student: int, teacher: int) -> tuple[str, str, str]:
    return label, f"{student / max(teacher, 1):.0%}", f"{student:,} of {teacher:,}"
