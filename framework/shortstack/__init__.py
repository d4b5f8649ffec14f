"""Make large transformer recommenders small: measure layers, keep the ones that matter, distil, and prove it.

Public names load what they need when they are first used, so ``import shortstack`` is instant.
"""

from typing import TYPE_CHECKING

from shortstack.lazy import lazily

__version__ = "0.1.0"

if TYPE_CHECKING:
    from shortstack.distillation.trainer import DistillationTrainer as DistillationTrainer
    from shortstack.evaluation.evaluator import RecommendationEvaluator as RecommendationEvaluator
    from shortstack.evaluation.objectives import ranking_objective as ranking_objective
    from shortstack.hooks import hookimpl as hookimpl
    from shortstack.importance.measure import measure_importance as measure_importance
    from shortstack.importance.objectives import candidate_objective as candidate_objective
    from shortstack.registry import Registry as Registry
    from shortstack.run import Run as Run
    from shortstack.selection.budgets import Budget as Budget
    from shortstack.selection.selector import AdaptiveLayerSelector as AdaptiveLayerSelector
    from shortstack.students.build import build_student as build_student
    from shortstack.students.compact import CompactStudentModel as CompactStudentModel

_HOMES = {
    "AdaptiveLayerSelector": "selection.selector",
    "Budget": "selection.budgets",
    "CompactStudentModel": "students.compact",
    "DistillationTrainer": "distillation.trainer",
    "RecommendationEvaluator": "evaluation.evaluator",
    "Registry": "registry",
    "Run": "run",
    "build_student": "students.build",
    "candidate_objective": "importance.objectives",
    "hookimpl": "hooks",
    "measure_importance": "importance.measure",
    "ranking_objective": "evaluation.objectives",
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
    "candidate_objective",
    "hookimpl",
    "measure_importance",
    "ranking_objective",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
