"""End of a run: ``result.json`` from the results of all stages, and a report from that file alone."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from shortstack.boundaries import read_as
from shortstack.distillation.weighted_losses import named_losses
from shortstack.files import read_json
from shortstack.pipeline.model_cards import write_model_cards
from shortstack.pipeline.selection import load_selection
from shortstack.pipeline.stage import Context, Stage, training_of
from shortstack.pipeline.tracking import report_to_trackers
from shortstack.planning.schedule import Round, rounds_of
from shortstack.run_layout import DATA, EVALUATION, FACTS, IMPORTANCE, METRICS, RECORD, SASREC, SCORES

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.models.parameters import ParameterCount
    from shortstack.registry import Registry
    from shortstack.result import BaselineRecord, CostRecord, Parameters, RunResult, SelectionRecord, StepRecord


def write_result(context: Context, stages: Sequence[Stage], audit: Mapping[str, Any]) -> "RunResult":
    """Gather the results of the stages, and of an audit if there was one, into ``result.json``, ``report.html`` and model cards."""
    from shortstack.report import write_report

    root = context.root
    with read_as(
        root, "holds results of stages that do not belong together", "remove the damaged one, and run it again"
    ):
        result = _gathered(context, stages, audit)
    result.save(root)
    write_report(root)
    write_model_cards(context, result)
    report_to_trackers(context, result)
    return result.located(root)


def _gathered(context: Context, stages: Sequence[Stage], audit: Mapping[str, Any]) -> "RunResult":
    from shortstack.config.writer import unstructure
    from shortstack.report import verdict
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
        fresh_teacher=context.run.teacher.config is not None,
    )
    return RunResult(
        shortstack=__version__,
        plugins=_plugins(context.run, context.registry),
        config=unstructure(context.run),
        environment=_environment(context),
        data=read_json(root / DATA / FACTS),
        cost={**_cost(context, stages), "speed": evaluation["speed"], "sizes": _sizes(context, evaluation)},
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
        baselines={SASREC: _sasrec(context)} if context.run.evaluation.sasrec else {},
    )


def _sasrec(context: Context) -> "BaselineRecord":
    training = training_of(context.root / SASREC)
    return {
        "setting": training["setting"],
        "parameters": _count(context, SASREC).total,
        "tried": training["tried"],
    }


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
        **({"processes": context.world.size} if context.world.size > 1 else {}),
        "packages": {name: version(name) for name in packages},
    }


def _selection(context: Context) -> "SelectionRecord":
    """Return the last step's selection of the teacher's layers, and the steps before it."""
    selection = load_selection(context.root)
    steps = [_step(context, round_) for round_ in _intermediate_rounds(context)]
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


def _intermediate_rounds(context: Context) -> list[Round]:
    return [round_ for round_ in rounds_of(context.run.selection) if not round_.is_last]


def _intermediate_students(context: Context) -> dict[str, str]:
    """Return the folders of the students before the last step's, by their names in the result."""
    return {f"step-{round_.number}": round_.named("student") for round_ in _intermediate_rounds(context)}


def _cost(context: Context, stages: Sequence[Stage]) -> "CostRecord":
    scratch = {"scratch": "scratch"} if context.run.evaluation.scratch else {}
    sasrec = {SASREC: SASREC} if context.run.evaluation.sasrec else {}
    folders = {**sasrec, "teacher": "teacher", **_intermediate_students(context), **scratch, "student": "student"}
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


def _sizes(context: Context, evaluation: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return the bytes of each evaluated model on the disk and in memory."""
    from shortstack.models.stored_sizes import stored_sizes

    folders = {
        SASREC: SASREC,
        "scratch": "scratch",
        "teacher": "teacher",
        **_intermediate_students(context),
        "pruned": "pruned",
        "student": "student",
    }
    evaluated = {name: folder for name, folder in folders.items() if name in evaluation["metrics"]}
    stored = {name: stored_sizes(context.root / folder) for name, folder in evaluated.items()}
    return {**stored, **evaluation.get("sizes", {})}


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
