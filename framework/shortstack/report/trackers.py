"""A finished run in an experiment tracker: its settings, metrics, figures and verdict as one run of the tracker."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from shortstack.report.figures import png_files
from shortstack.result import RunResult
from shortstack.run_layout import REPORT

_PARAMETERS_AT_ONCE = 100
"""MLflow's limit of one request."""


@attrs.frozen(kw_only=True)
class Summary:
    """What a tracker gets of a finished run.

    Attributes:
        name: Name of the run in the tracker.
        settings: All settings by dotted name, such as ``"teacher.fit.steps"``, as texts.
        metrics: Value by ``METHOD/METRIC``; also ``parameters/NAME`` and ``comparisons/NAME/METRIC``.
        verdict: The verdict.
        figures: PNG file by name.
        page: The report.
        events: Folder for the event files of TensorBoard.
    """

    name: str
    settings: Mapping[str, str]
    metrics: Mapping[str, float]
    verdict: str
    figures: Mapping[str, Path]
    page: Path
    events: Path


def summary_of(result: RunResult, *, name: str, folder: Path, images: Path, events: Path) -> Summary:
    """Return what a tracker gets of a result.

    Args:
        result: The result.
        name: Name of the run in the tracker.
        folder: The run's folder, with its report.
        images: An empty folder, into which the figures are drawn.
        events: Folder for the event files of TensorBoard.
    """
    return Summary(
        name=name,
        settings=dict(dotted(result.config)),
        metrics=dict(_values(result)),
        verdict=result.verdict,
        figures=png_files(result, images),
        page=folder / REPORT,
        events=events,
    )


def dotted(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each setting's dotted name and its value: a text as it is, all else as JSON.

    >>> list(dotted({"data": {"core": 5, "source": "a.csv"}, "callbacks": []}))
    [('data.core', '5'), ('data.source', 'a.csv'), ('callbacks', '[]')]
    """
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, default=str)


def _values(result: RunResult) -> Iterator[tuple[str, float]]:
    for method, metrics in result.metrics.items():
        yield from ((f"{method}/{name}", value) for name, value in metrics.items() if value is not None)
    for pair, compared in result.comparisons.items():
        yield from ((f"comparisons/{pair}/{name}", found[0]) for name, found in compared.items() if found is not None)
    yield from ((f"parameters/{name}", float(str(count))) for name, count in result.parameters.items())


def to_tensorboard(summary: Summary) -> None:
    """Write the summary as event files: texts ``verdict`` and ``settings``, scalars and images."""
    from matplotlib.image import imread
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(log_dir=str(summary.events)) as writer:
        writer.add_text("verdict", summary.verdict.replace("\n", "\n\n"))
        table = "\n".join(f"    {name} = {value}" for name, value in summary.settings.items())
        writer.add_text("settings", table)
        for name, value in summary.metrics.items():
            writer.add_scalar(name, value, 0)
        for name, path in summary.figures.items():
            writer.add_image(f"figures/{name}", imread(path), 0, dataformats="HWC")


def to_mlflow(summary: Summary) -> None:
    """Log the summary as an MLflow run: parameters, metrics, and the artifacts ``verdict.txt``, figures and report.

    A setting that is longer than MLflow allows is cut; ``settings.json`` has all in full.
    """
    import mlflow
    from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

    settings = [(_mlflow_name(name), value[:MAX_PARAM_VAL_LENGTH]) for name, value in summary.settings.items()]
    with mlflow.start_run(run_name=summary.name, nested=True):
        for start in range(0, len(settings), _PARAMETERS_AT_ONCE):
            mlflow.log_params(dict(settings[start : start + _PARAMETERS_AT_ONCE]))
        mlflow.log_metrics({_mlflow_name(name): value for name, value in summary.metrics.items()})
        mlflow.log_dict(dict(summary.settings), "settings.json")
        mlflow.log_text(summary.verdict, "verdict.txt")
        mlflow.log_artifact(str(summary.page))
        for path in summary.figures.values():
            mlflow.log_artifact(str(path), "figures")


def _mlflow_name(name: str) -> str:
    """Return a name as transformers' callback gives it to MLflow.

    >>> _mlflow_name("student/ndcg@10")
    'student/ndcg_10'
    """
    return re.sub(r"[^0-9A-Za-z_\-\.\ :/]", "_", name)


def to_wandb(summary: Summary) -> None:
    """Log the summary as a run of Weights & Biases, in the project that transformers' callback uses."""
    import wandb

    project = os.environ.get("WANDB_PROJECT", "huggingface")
    run = wandb.init(project=project, name=summary.name, config=dict(summary.settings), reinit="create_new")
    try:
        run.summary.update({**summary.metrics, "verdict": summary.verdict})
        run.log({f"figures/{name}": wandb.Image(str(path)) for name, path in summary.figures.items()})
        run.log({"report": wandb.Html(summary.page.read_text(encoding="utf-8"), inject=False)})
    finally:
        run.finish()


def to_trackio(summary: Summary) -> None:
    """Log the summary as a run of Trackio, in the project that transformers' callback uses."""
    import trackio
    from transformers import TrainingArguments

    project = str(TrainingArguments.__dataclass_fields__["project"].default)
    trackio.init(project=project, name=summary.name, config=dict(summary.settings), resume="allow", embed=False)
    try:
        images = {f"figures/{name}": trackio.Image(str(path)) for name, path in summary.figures.items()}
        trackio.log({**summary.metrics, **images, "verdict": trackio.Markdown(summary.verdict)})
    finally:
        trackio.finish()


SUMMARIES: Final[Mapping[str, Callable[[Summary], None]]] = {
    "mlflow": to_mlflow,
    "tensorboard": to_tensorboard,
    "trackio": to_trackio,
    "wandb": to_wandb,
}
"""Trackers that get a finished run's summary; all others get the trainings' curves alone."""
