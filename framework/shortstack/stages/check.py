"""Before any work: does every name in the run exist, and does every setting fit?"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shortstack.errors import ConfigurationError, SourceNotFoundError, UnknownNameError
from shortstack.stages.costs import selector
from shortstack.stages.importance import asked
from shortstack.stages.steps import require_smaller, steps_of

_HUB_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+")

if TYPE_CHECKING:
    import torch

    from shortstack.registry import Registry
    from shortstack.run import Run
    from shortstack.run_settings import TeacherSettings
    from shortstack.tasks import Task


def check(run: "Run", registry: "Registry") -> "torch.device":
    """Find every mistake that can be found without data.

    Returns:
        The device that the models will live on.

    Raises:
        ConfigurationError: A name or a setting is wrong, or the device is not there.
    """
    from shortstack.data.splits import named_split
    from shortstack.distillation.balancing import make_balancing
    from shortstack.distillation.weighted_losses import weighted_losses
    from shortstack.evaluation.evaluator import RecommendationEvaluator
    from shortstack.importance.scorers import Scorers
    from shortstack.models.devices import device_named

    registry.configure("dataset", run.data.adapter, run.data.settings)
    registry.configure("student", run.student.architecture, run.student.settings)
    for name in run.importance.scorers:
        registry.configure("scorer", name, run.importance.settings.get(name, {}))
    Scorers.of(asked(run.importance), registry)  # those that others are made from, too
    _check_settings_are_used(run)
    weighted_losses(run.distillation.losses, registry)
    RecommendationEvaluator(cutoffs=run.evaluation.cutoffs, protocol=run.evaluation.protocol)
    layers = _check_teacher(run.teacher, run.task.build())
    _check_task(run)
    _check_extras(run)
    named_split(run.data.split)
    make_balancing(run.distillation.balancing)
    _check_selection(run, layers)
    return device_named(run.device)


def _check_settings_are_used(run: "Run") -> None:
    for name in run.importance.settings:
        if name not in run.importance.scorers:
            raise UnknownNameError("scorer in importance.settings", name, run.importance.scorers)


def _check_extras(run: "Run") -> None:
    """What a fit asks for is installed."""
    from shortstack.distillation.lora import require_peft

    if any(fit is not None and fit.lora is not None for fit in (run.teacher.fit, run.distillation.fit)):
        require_peft()


def _check_task(run: "Run") -> None:
    """Impressions are ranked as they were shown: nothing of them may be filtered away."""
    if run.task.build().reads != "impressions":
        return
    plain = {"core": 0, "min_rating": None, "since": None, "until": None, "sample_users": None, "last_n": None}
    for name, value in {**plain, "duplicates": "keep"}.items():
        if getattr(run.data, name) != value:
            raise ConfigurationError(
                f"the task {run.task.name!r} ranks what was shown, so nothing of it may be filtered away: set data.{name} = "
                f"{'none' if value is None else repr(value)}, not {getattr(run.data, name)!r}"
            )
    if run.data.split == "leave-last":
        raise ConfigurationError(
            f"the task {run.task.name!r} divides impressions by 'global-time' or 'official': set data.split"
        )


def _check_teacher(settings: "TeacherSettings", task: "Task") -> int | None:
    """The config must be that of a model that can be made and reads the window, or the path a folder that is there.

    Returns:
        How many layers the config says; None for a stored teacher.
    """
    from shortstack.models.decoder import most_positions
    from shortstack.models.initial import planned

    if settings.config is None:
        path = settings.path or ""
        if not Path(path).exists() and not _may_be_on_the_hub(path):
            raise SourceNotFoundError(
                f"teacher.path is {path!r}, which is not here; name a folder with a model, or a GGUF file"
            )
        return None
    config = planned(settings.config)
    positions = most_positions(config)
    if positions is not None and positions < task.longest:
        raise ConfigurationError(
            f"the task's window of {task.window} items needs {task.longest} positions, but teacher.config has {positions}"
        )
    return int(config.num_hidden_layers)


def _may_be_on_the_hub(path: str) -> bool:
    """Whether it looks like ``owner/name``, and not like something that is missing from a folder here."""
    return not path.endswith(".gguf") and bool(_HUB_NAME.fullmatch(path)) and not Path(path).parent.is_dir()


def _check_selection(run: "Run", layers: int | None) -> None:
    """The scorer must be measured, and the budget fit a teacher whose depth the config tells."""
    if run.selection.scorer not in run.importance.scorers:
        raise ConfigurationError(
            f"selection.scorer is {run.selection.scorer!r}, which importance.scorers does not list "
            f"({', '.join(run.importance.scorers)}); add it there or choose one of them"
        )
    left = layers
    for step in steps_of(run.selection):
        budget = selector(step.settings(run.selection)).budget
        if layers is not None and left is not None:
            kept = budget.layers(of=layers)
            if budget.measure is None:
                require_smaller(kept, left, step)
            left = kept
