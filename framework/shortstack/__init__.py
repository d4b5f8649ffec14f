"""Make large transformer recommenders small: measure layers, keep the ones that matter, distil, and prove it.

Public names load what they need when they are first used, so ``import shortstack`` is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from shortstack.compact import CompactStudentModel as CompactStudentModel
    from shortstack.distillation import DistillationTrainer as DistillationTrainer
    from shortstack.evaluation import RecommendationEvaluator as RecommendationEvaluator
    from shortstack.hooks import hookimpl as hookimpl
    from shortstack.importance import measure_importance as measure_importance
    from shortstack.registry import Registry as Registry
    from shortstack.run import Run as Run
    from shortstack.selection import AdaptiveLayerSelector as AdaptiveLayerSelector
    from shortstack.selection import Budget as Budget
    from shortstack.students import build_student as build_student

_HOMES = {
    "AdaptiveLayerSelector": "selection",
    "Budget": "selection",
    "CompactStudentModel": "compact",
    "DistillationTrainer": "distillation",
    "RecommendationEvaluator": "evaluation",
    "Registry": "registry",
    "Run": "run",
    "build_student": "students",
    "hookimpl": "hooks",
    "measure_importance": "importance",
}

__all__ = [
    "AdaptiveLayerSelector",
    "Budget",
    "CompactStudentModel",
    "DistillationTrainer",
    "RecommendationEvaluator",
    "Registry",
    "Run",
    "build_student",
    "hookimpl",
    "measure_importance",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
