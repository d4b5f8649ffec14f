"""Before any work: does every name in the run exist, and does every setting fit?"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.settings import structure
from shortstack.stages.selection import selector

if TYPE_CHECKING:
    from shortstack.registry import Kind, Registry
    from shortstack.run import Run, TeacherSettings


def check(run: "Run", registry: "Registry") -> str:
    """Find every mistake that can be found without data.

    Returns:
        The device, ``"cpu"`` or ``"cuda"``.

    Raises:
        ConfigurationError: A name or a setting is wrong, or the device is not there.
    """
    from shortstack.distillation.balancing import make_balancing

    _component(registry, "dataset", run.data.adapter, run.data.settings)
    _component(registry, "student", run.student.architecture, run.student.settings)
    for name in run.importance.scorers:
        _component(registry, "scorer", name, run.importance.settings.get(name, {}))
    for name, settings in run.distillation.losses.items():
        own = settings if isinstance(settings, Mapping) else {}
        _component(registry, "loss", name, {key: value for key, value in own.items() if key != "weight"})
    _check_teacher(run.teacher)
    run.task.build()
    make_balancing(run.distillation.balancing)
    _check_selection(run)
    return _device(run.device)


def _component(registry: "Registry", kind: "Kind", name: str, settings: object) -> None:
    structure(registry.find(kind, name).descriptor.config, settings, f"{kind} {name!r}")


def _check_teacher(settings: "TeacherSettings") -> None:
    """The config must be one of a known family, or the path a folder that is there."""
    from shortstack.models.initial import initial_config

    if settings.config is not None:
        initial_config(settings.config, vocabulary=2)
    elif not Path(settings.path or "").is_dir():
        raise SourceNotFoundError(f"teacher.path is {settings.path!r}, which is no folder here; name a saved model's")


def _check_selection(run: "Run") -> None:
    """The scorer must be measured, and the budget fit a teacher whose depth the config tells."""
    if run.selection.scorer not in run.importance.scorers:
        raise ConfigurationError(
            f"selection.scorer is {run.selection.scorer!r}, which importance.scorers does not list "
            f"({', '.join(run.importance.scorers)}); add it there or choose one of them"
        )
    budget = selector(run).budget
    layers = (run.teacher.config or {}).get("num_hidden_layers")
    if isinstance(layers, int):
        budget.layers(of=layers)


def _device(wanted: str) -> str:
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device is 'cuda', but torch finds no CUDA device here; use 'cpu' or 'auto'")
    return wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
