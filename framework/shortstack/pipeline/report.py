"""Last stage: ``result.json`` from the results of all stages, and a report from that file alone."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from shortstack.distillation.weighted_losses import named_losses
from shortstack.files import read_json
from shortstack.pipeline.selection import load_selection
from shortstack.pipeline.stage import Context, Stage, training_of
from shortstack.planning.schedule import Round, rounds_of
from shortstack.run_layout import DATA, EVALUATION, FACTS, IMPORTANCE, METRICS, RECORD, SCORES

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.models.parameters import ParameterCount
    from shortstack.registry import Registry
    from shortstack.result import CostRecord, Parameters, RunResult, SelectionRecord, StepRecord


def write_result(context: Context, stages: Sequence[Stage], audit: Mapping[str, Any]) -> "RunResult":
    """Gather the results of the stages, and of an audit if there was one, into ``result.json`` and ``report.html``."""
    from shortstack.config.reader import unstructure
    from shortstack.report import verdict, write_report
    from shortstack.result import RunResult
    from shortstack.version import __version__

    root = context.root
    evaluation = read_json(root / EVALUATION / METRICS)
    selection, parameters = _selection(context), _parameters(context)
    conclusion = verdict(
        metrics=evaluation["metrics"],
        comparisons=evaluation["comparisons"],
        parameters=parameters,
        selection=selection,
        selected_by=evaluation["headlines"]["selected_by"],
        cases=evaluation["cases"],
        speed=evaluation["speed"],
    )
    result = RunResult(
        shortstack=__version__,
        plugins=_plugins(context.run, context.registry),
        config=unstructure(context.run),
        environment=_environment(context),
        data=read_json(root / DATA / FACTS),
        cost={**_cost(context, stages), "speed": evaluation["speed"]},
        verdict=conclusion,
        importance={name: record["scores"] for name, record in read_json(root / IMPORTANCE / SCORES).items()},
        audit=audit,
        selection=selection,
        parameters=parameters,
        metrics=evaluation["metrics"],
        intervals=evaluation["intervals"],
        comparisons=evaluation["comparisons"],
        headlines=evaluation["headlines"],
        calibration=evaluation["calibration"],
        cases=evaluation["cases"],
    )
    result.save(root)
    write_report(root)
    return result.located(root)


def _plugins(run: "RunConfig", registry: "Registry") -> dict[str, str]:
    """Return the components that the run used: full name → version."""
    used = [registry.find("dataset", run.data.adapter), registry.find("student", run.student.architecture)]
    used += [registry.find("scorer", name) for name in run.importance.scorers]
    used += [registry.find("loss", name) for name in named_losses(run.distillation.losses).values()]
    return {component.full_name: component.origin.version for component in used}


def _environment(context: Context) -> dict[str, Any]:
    import torch

    cuda = context.device.type == "cuda"
    packages = ("torch", "transformers", "accelerate", "safetensors", "numpy", "pluggy")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "threads": torch.get_num_threads(),
        "packages": {name: version(name) for name in packages},
    }


def _selection(context: Context) -> "SelectionRecord":
    """Return the last step's selection of the teacher's layers, and the steps before it."""
    selection = load_selection(context.root)
    steps = [_step(context, round_) for round_ in _between(context)]
    record: SelectionRecord = {
        "strategy": selection.strategy,
        "budget": selection.budget,
        "kept": list(selection.kept),
        "of": selection.of,
        "reason": selection.reason,
        "forwards": selection.forwards,
    }
    return {**record, "steps": steps} if steps else record


def _step(context: Context, round_: Round) -> "StepRecord":
    selection = load_selection(context.root, round_)
    parameters = _count(context, round_.named("student")).total
    return {
        "kept": list(selection.kept),
        "reason": selection.reason,
        "forwards": selection.forwards,
        "parameters": parameters,
    }


def _between(context: Context) -> list[Round]:
    return [round_ for round_ in rounds_of(context.run.selection) if not round_.is_last]


def _cost(context: Context, stages: Sequence[Stage]) -> "CostRecord":
    between = {f"step-{round_.number}": round_.named("student") for round_ in _between(context)}
    scratch = {"scratch": "scratch"} if context.run.evaluation.scratch else {}
    folders = {"teacher": "teacher", **between, **scratch, "student": "student"}
    trained = {name: training_of(context.root / folder) for name, folder in folders.items()}
    done = {name: training for name, training in trained.items() if training}
    work = ("seconds", "steps", "examples", "tokens_per_second", "floating_point_operations")
    records = {stage.name: read_json(context.root / stage.folder / RECORD) for stage in stages}
    return {
        "seconds": {name: record["seconds"] for name, record in records.items()},
        "training": {name: training["curve"] for name, training in done.items()},
        "work": {name: {key: training[key] for key in work} for name, training in done.items()},
        "precision": {name: training["precision"] for name, training in done.items() if "precision" in training},
        "peak_memory_bytes": max(record.get("peak_memory_bytes", 0) for record in records.values()),
    }


def _parameters(context: Context) -> "Parameters":
    teacher, student = _count(context, "teacher"), _count(context, "student")
    return {
        "teacher": teacher.total,
        "student": student.total,
        "teacher_body": teacher.body,
        "student_body": student.body,
    }


def _count(context: Context, folder: str) -> "ParameterCount":
    """Count the parameters of a model in a folder of the run."""
    from transformers import AutoConfig

    from shortstack.models.parameters import count_parameters

    return count_parameters(AutoConfig.from_pretrained(context.root / folder))
