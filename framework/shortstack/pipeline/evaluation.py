"""Stage 9: baselines, teacher, pruned model, student and the model from scratch, on the same test cases."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.files import write_json
from shortstack.pipeline.stage import Context, Stage, with_digests
from shortstack.planning.schedule import Round
from shortstack.run_layout import EVALUATION, METRICS

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.evaluation.evaluation import Evaluation
    from shortstack.registry import Registry
    from shortstack.tasks.evaluation import TaskEvaluation


def _depends_on(run: "RunConfig", registry: "Registry") -> object:  # noqa: ARG001 -- every stage takes both
    return [run.evaluation, run.seed, with_digests([*run.evaluation.metrics, *(run.evaluation.baselines or ())])]


def _execute(context: Context, folder: Path, steps: tuple[Round, ...]) -> None:
    from shortstack.evaluation.comparisons import standard_comparisons
    from shortstack.pipeline.speed import measured_speed
    from shortstack.pipeline.task_evaluation import task_evaluation

    task = task_evaluation(context, "test", in_full=True)
    evaluations: dict[str, Evaluation] = {}
    speed: dict[str, dict[str, float]] = {}
    models = _models(context.run, steps)
    with context.progress.job("evaluation", total=len(task.baselines) + len(models)) as advance:
        for name, candidate in _candidates(context, task, models):
            evaluations[name] = task.evaluate(candidate)
            if name in models and name != "scratch":  # which is of the student's shape
                speed[name] = measured_speed(partial(task.answer, candidate), task.cases, context.device)
            advance(len(evaluations), name)
    record = {
        "headlines": attrs.asdict(task.headlines),
        "metrics": {name: evaluation.metrics for name, evaluation in evaluations.items()},
        "intervals": {name: evaluation.intervals for name, evaluation in evaluations.items()},
        "comparisons": standard_comparisons(evaluations, task.headlines.metrics, list(task.baselines)),
        "speed": speed,
        "cases": evaluations["teacher"].facts | ({} if task.seen is None else {"seen": task.seen}),
        "calibration": {
            name: attrs.asdict(evaluation.calibration)
            for name, evaluation in evaluations.items()
            if evaluation.calibration is not None
        },
    }
    write_json(folder / METRICS, record)


def _models(run: "RunConfig", steps: tuple[Round, ...]) -> dict[str, str]:
    """Return the models to evaluate: name in the result → folder of the run."""
    scratch = {"scratch": "scratch"} if run.evaluation.scratch else {}
    between = {f"step-{round_.number}": round_.named("student") for round_ in steps if not round_.is_last}
    return {**scratch, "teacher": "teacher", **between, "pruned": "pruned", "student": "student"}


def _candidates(context: Context, task: "TaskEvaluation", models: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield the baselines, then the models, one in memory at a time."""
    from shortstack.pipeline.stage_model import StageModel

    for name, baseline in task.baselines.items():
        yield name, baseline()
    for name, folder in models.items():
        yield name, task.candidate(StageModel.load(context, folder))


def evaluation_stage(steps: tuple[Round, ...], scratch: Sequence[str]) -> Stage:
    """Return the stage that evaluates every model of a run; the last step's students depend on all steps before.

    Args:
        steps: The run's steps.
        scratch: The stage of the model from scratch, if the run has one.
    """
    return Stage(
        name="evaluation",
        folder=EVALUATION,
        after=("data", "teacher", "pruning", "distillation", *scratch),
        depends_on=_depends_on,
        execute=partial(_execute, steps=steps),
    )
