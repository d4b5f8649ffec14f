"""Evaluation of a run's task on the run's prepared data."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.config.given import Given
from shortstack.config.resolve import attribute_named
from shortstack.contracts.headlines import ERRORS, Headlines
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.pipeline.seen_items import seen_by
from shortstack.run_layout import DATA
from shortstack.tasks import feedback_of, task_of
from shortstack.tasks.evaluation import EvaluationRequest, TaskEvaluation

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.config.run_tables import EvaluationSettings
    from shortstack.data.sequences import SplitName
    from shortstack.pipeline.stage import Context


def headlines_of(run: "RunConfig") -> Headlines:
    """Return the headline metrics of a run: those of its task, and its custom metrics.

    Raises:
        ConfigurationError: A custom metric is not a metric, or models cannot be selected by ``selected_by``.
    """
    from shortstack.evaluation.custom import custom_metrics

    usual = feedback_of(task_of(run.task).reads).headlines
    names = [metric.name for metric in custom_metrics(run.evaluation.metrics)]
    selected_by = run.evaluation.selected_by or usual.selected_by
    choices = [name for name in (*usual.metrics, *names) if name not in ERRORS]
    if selected_by not in choices:
        raise UnknownNameError("metric to select models by (evaluation.selected_by):", selected_by, choices)
    return Headlines(metrics=(*usual.metrics, *names), selected_by=selected_by)


def require_cases(context: "Context") -> None:
    """Check, before anything is trained, that there are validation and test cases.

    Raises:
        EmptyDataError: There are none.
    """
    task_evaluation(context, "valid", in_full=False)
    task_evaluation(context, "test", in_full=False)


def task_evaluation(context: "Context", split: "SplitName", *, in_full: bool) -> TaskEvaluation:
    """Return the cases of a split, with metrics and baselines.

    Args:
        context: The run, whose data stage is done.
        split: The split whose cases are evaluated.
        in_full: See ``EvaluationRequest``.
    """
    request = EvaluationRequest(
        folder=context.root / DATA,
        split=split,
        settings=context.run.evaluation,
        seen=seen_by(context),
        seed=context.run.seed,
        in_full=in_full,
    )
    evaluation = feedback_of(task_of(context.run.task).reads).evaluation(request)
    baselines = _baselines(context.run.evaluation, evaluation)
    return attrs.evolve(evaluation, headlines=headlines_of(context.run), baselines=baselines)


def _baselines(settings: "EvaluationSettings", found: TaskEvaluation) -> Mapping[str, Callable[[], Any]]:
    """Return the task's baselines, or, where ``evaluation.baselines`` is set, those and functions that it names."""
    if settings.baselines is None:
        return found.baselines
    chosen: dict[str, Callable[[], Any]] = {}
    for name in settings.baselines:
        if isinstance(name, Given) or ":" in name:
            fit = name.value if isinstance(name, Given) else attribute_named("baseline", name)
            if not callable(fit) or found.fit is None:
                raise ConfigurationError(
                    f"the baseline {str(name)!r} must be a function that fits one, got {fit!r:.80}"
                )
            # named like the built-in methods, which have hyphens
            chosen[str(name).rpartition(":")[2].replace("_", "-")] = partial(found.fit, fit)
        elif name in found.baselines:
            chosen[name] = found.baselines[name]
        else:
            raise UnknownNameError("baseline", name, found.baselines)
    return chosen
