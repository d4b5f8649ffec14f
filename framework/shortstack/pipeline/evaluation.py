"""Stage 9: baselines, teacher, pruned model, student and the model from scratch, on the same test cases."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.config.writer import unstructure
from shortstack.files import write_json
from shortstack.pipeline.compressed import EvaluatedModel, compressed_models
from shortstack.pipeline.stage import Context, Stage, with_digests
from shortstack.planning.schedule import Round
from shortstack.run_layout import CASES, EVALUATION, METRICS, SASREC, TEACHER

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.evaluation.evaluation import Evaluation
    from shortstack.pipeline.speed import Times
    from shortstack.pipeline.stage_model import StageModel
    from shortstack.registry import Registry
    from shortstack.tasks.evaluation import TaskEvaluation


def _depends_on(run: "RunConfig", registry: "Registry") -> object:  # noqa: ARG001 -- every stage takes both
    settings = unstructure(run.evaluation)
    if not run.evaluation.compressed.models:
        del settings["compressed"]  # which changes nothing then, and finished evaluations stay those of the run
    return [settings, run.seed, with_digests([*run.evaluation.metrics, *(run.evaluation.baselines or ())])]


def _execute(context: Context, folder: Path, steps: tuple[Round, ...]) -> None:
    from shortstack.evaluation.cases import write_cases
    from shortstack.evaluation.comparisons import standard_comparisons
    from shortstack.models.sharding import is_sharded
    from shortstack.pipeline.speed import measured_times
    from shortstack.pipeline.task_evaluation import task_evaluation

    task = task_evaluation(context, "test", in_full=True)
    evaluations: dict[str, Evaluation] = {}
    times: dict[str, Times] = {}
    sizes: dict[str, dict[str, int]] = {}
    models = _models(context.run, steps)
    with context.progress.job("evaluation", total=len(task.baselines) + len(models)) as advance:
        for name, baseline in task.baselines.items():
            evaluations[name] = task.evaluate(baseline())
            advance(len(evaluations), name)
        for name, loaded in _loaded(context, models):
            candidate = task.candidate(loaded)
            evaluations[name] = task.evaluate(candidate)
            if name != "scratch":  # which is of the student's shape
                measure = partial(measured_times, partial(task.answer, candidate), task.cases, context.device)
                together = is_sharded(loaded.model)
                # the others are idle meanwhile, unless they all run the model
                times[name] = measure(context.world) if together else context.world.first(measure)
            if models[name].method and context.world.is_first:
                sizes[name] = models[name].sizes(loaded.model, folder)
            advance(len(evaluations), name)
    if not context.world.is_first:
        return
    alone = {
        name: model for name, model in models.items() if name in times and not (context.is_sharded and name == TEACHER)
    }
    times = _timed_again(context, task, alone, times)
    record = {
        "headlines": attrs.asdict(task.headlines),
        "metrics": {name: evaluation.metrics for name, evaluation in evaluations.items()},
        "intervals": {name: evaluation.intervals for name, evaluation in evaluations.items()},
        "comparisons": standard_comparisons(evaluations, task.headlines.metrics, list(task.baselines), list(sizes)),
        "speed": {name: each.speed for name, each in times.items()},
        "cases": evaluations["teacher"].facts | ({} if task.seen is None else {"seen": task.seen}),
        "calibration": {
            name: attrs.asdict(evaluation.calibration)
            for name, evaluation in evaluations.items()
            if evaluation.calibration is not None
        },
    }
    write_json(folder / METRICS, record | ({"sizes": sizes} if sizes else {}))
    keys = None if task.user_keys is None else task.user_keys()
    write_cases(folder / CASES, evaluations, task.headlines.metrics, keys)


def _models(run: "RunConfig", steps: tuple[Round, ...]) -> dict[str, EvaluatedModel]:
    """Return the models to evaluate, by their names in the result."""
    scratch = {"scratch": "scratch"} if run.evaluation.scratch else {}
    between = {f"step-{round_.number}": round_.named("student") for round_ in steps if not round_.is_last}
    sasrec = {SASREC: SASREC} if run.evaluation.sasrec else {}
    folders = {**sasrec, **scratch, "teacher": "teacher", **between, "pruned": "pruned", "student": "student"}
    plain = {name: EvaluatedModel(folder) for name, folder in folders.items()}
    return {**plain, **compressed_models(run.evaluation.compressed)}


def _timed_again(
    context: Context, task: "TaskEvaluation", models: dict[str, EvaluatedModel], times: "dict[str, Times]"
) -> "dict[str, Times]":
    """Return the quickest times of all turns, of which the first was measured; a slow model is not timed again."""
    from shortstack.pipeline.speed import TURNS, measured_times

    quickest = dict(times)
    quick_models = {name: model for name, model in models.items() if not times[name].is_slow}
    for _ in range(TURNS - 1):
        for name, loaded in _loaded(context, quick_models):
            again = measured_times(partial(task.answer, task.candidate(loaded)), task.cases, context.device)
            quickest[name] = quickest[name].quickest(again)
    return quickest


def _loaded(context: Context, models: dict[str, EvaluatedModel]) -> "Iterator[tuple[str, StageModel]]":
    """Yield each model by its name, one in memory at a time."""
    for name, model in models.items():
        yield name, model.load(context)


def evaluation_stage(steps: tuple[Round, ...], rivals: Sequence[str]) -> Stage:
    """Return the stage that evaluates every model of a run; the last step's students depend on all steps before.

    Args:
        steps: The run's steps.
        rivals: The stages of the model from scratch and of trained baselines, as far as the run has them.
    """
    return Stage(
        name="evaluation",
        folder=EVALUATION,
        after=("data", "teacher", "pruning", "distillation", *rivals),
        depends_on=_depends_on,
        execute=partial(_execute, steps=steps),
        shared=True,
    )
