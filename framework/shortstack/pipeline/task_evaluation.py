"""Evaluation of a run's task on the run's prepared data."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs

from shortstack.config.given import Given
from shortstack.config.resolve import attribute_named
from shortstack.contracts.headlines import ERRORS, Headlines
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.pipeline.seen_items import seen_by
from shortstack.registry.isolation import defined_in, plugin_errors
from shortstack.run_layout import DATA
from shortstack.tasks import feedback_of, task_of
from shortstack.tasks.evaluation import EvaluationRequest, TaskEvaluation

_MODELS: Final = frozenset({"teacher", "pruned", "student", "scratch"})

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
        world=context.world,
    )
    evaluation = feedback_of(task_of(context.run.task).reads).evaluation(request)
    baselines = _baselines(context.run.evaluation, evaluation)
    return attrs.evolve(evaluation, headlines=headlines_of(context.run), baselines=baselines)


def _baselines(settings: "EvaluationSettings", evaluation: TaskEvaluation) -> Mapping[str, Callable[[], Any]]:
    """Return the task's baselines, or, where ``evaluation.baselines`` is set, those and functions that it names.

    Baselines that a stage of their own trains are not among them.
    """
    if settings.baselines is None:
        return evaluation.baselines
    known = {**evaluation.baselines, **evaluation.further}
    chosen: dict[str, Callable[[], Any]] = {}
    for name in settings.baselines:
        if isinstance(name, Given) or ":" in name:
            chosen[_own_name(name)] = partial(_fitted, evaluation, str(name), _own_fit(name))
        elif name in known:
            chosen[name] = known[name]
        elif name not in evaluation.trained:
            raise UnknownNameError("baseline", name, [*known, *evaluation.trained])
    return chosen


def require_own_baselines(run: "RunConfig") -> None:
    """Refuse baselines of the run's own that cannot be fitted, or that go by the name of another method.

    Raises:
        ConfigurationError: One is no function of the sequences (and the scale of ratings) and the last part to use, or two
            have one name.
    """
    rates = feedback_of(task_of(run.task).reads).rates
    parameters = ("sequences", "scale", "upto") if rates else ("sequences", "upto")
    names = []
    for name in run.evaluation.baselines or ():
        names.append(_own_name(name))
        if not (isinstance(name, Given) or ":" in name):
            continue
        fit = _own_fit(name)
        try:
            inspect.signature(fit).bind(*parameters)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"the baseline {str(name)!r} must be a function of ({', '.join(parameters)}): {error}"
            ) from error
    taken = next((one for one in names if names.count(one) > 1 or one in _MODELS or one.startswith("step-")), None)
    if taken is not None:
        raise ConfigurationError(f"two methods are called {taken!r}; give the baseline another name")


def _own_name(name: str) -> str:
    """Return the name of a baseline in results: as those of the built-in methods, which have hyphens."""
    return str(name).rpartition(":")[2].replace("_", "-")


def _own_fit(name: str | Given) -> Callable[..., Any]:
    fit: Any = name.value if isinstance(name, Given) else attribute_named("baseline", name)
    if not callable(fit):
        raise ConfigurationError(f"the baseline {str(name)!r} must be a function that fits one, got {fit!r:.80}")
    function: Callable[..., Any] = fit
    return function


def _fitted(evaluation: TaskEvaluation, name: str, fit: Callable[..., Any]) -> Any:
    """Fit a baseline of one's own.

    Raises:
        PluginError: The function fails, or returns nothing that ranks or rates.
    """
    from shortstack.evaluation.rankers import Ranker
    from shortstack.evaluation.ratings import Rater

    if evaluation.fit is None:
        raise ConfigurationError(f"this task fits no baselines of one's own, and {name!r} is one")
    with plugin_errors(f"baseline {name!r} ({defined_in(fit)})"):
        fitted = evaluation.fit(fit)
        if not isinstance(fitted, Ranker | Rater):
            lacks = "neither scores(histories) nor predict(cases)"
            if callable(getattr(fitted, "scores", None)):
                lacks = "scores(histories), but no scores_are_logits: True if a softmax of its scores is a probability"
            raise TypeError(f"it returns a {type(fitted).__name__}, which has {lacks}")
        return fitted
