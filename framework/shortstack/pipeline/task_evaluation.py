"""The evaluation of a run's task, on the run's prepared data."""

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
    """What the run's models are judged by: its task's metrics, and its own.

    Raises:
        ConfigurationError: A metric of its own is none, or models cannot be selected by what they are to be.
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
    """Find out before anything is trained whether there is something to select models by, and to evaluate them on.

    Raises:
        EmptyDataError: There is not.
    """
    task_evaluation(context, "valid", in_full=False)
    task_evaluation(context, "test", in_full=False)


def task_evaluation(context: "Context", split: "SplitName", *, in_full: bool) -> TaskEvaluation:
    """The cases of one split, with metrics and baselines.

    Args:
        context: The run, whose data are there.
        split: Whose cases are evaluated.
        in_full: As ``EvaluationRequest`` has it.
    """
    request = EvaluationRequest(
        folder=context.root / DATA,
        split=split,
        settings=context.run.evaluation,
        seen=seen_by(context),
        seed=context.run.seed,
        in_full=in_full,
    )
    found = feedback_of(task_of(context.run.task).reads).evaluation(request)
    baselines = _baselines(context.run.evaluation, found)
    return attrs.evolve(found, headlines=headlines_of(context.run), baselines=baselines)


def _baselines(settings: "EvaluationSettings", found: TaskEvaluation) -> Mapping[str, Callable[[], Any]]:
    """The task's own, or those that are wanted of them, and the run's own."""
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
            chosen[str(name).rpartition(":")[2].replace("_", "-")] = partial(found.fit, fit)
        elif name in found.baselines:
            chosen[name] = found.baselines[name]
        else:
            raise UnknownNameError("baseline", name, found.baselines)
    return chosen
