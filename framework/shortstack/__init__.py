"""Make large transformer recommenders small: measure layers, keep the ones that matter, distil, and prove it.

Public names load what they need when they are first used, so ``import shortstack`` is instant.
"""

from typing import TYPE_CHECKING

from shortstack.lazy import lazily
from shortstack.version import __version__ as __version__

if TYPE_CHECKING:
    from shortstack.config.budget import Budget as Budget
    from shortstack.config.training import FitSettings as FitSettings
    from shortstack.contracts import Importance as Importance
    from shortstack.contracts import MeanScorer as MeanScorer
    from shortstack.contracts import Selection as Selection
    from shortstack.contracts import Terms as Terms
    from shortstack.data.interactions import Interactions as Interactions
    from shortstack.decorators import loss as loss
    from shortstack.decorators import scorer as scorer
    from shortstack.distillation.trainer import DistillationTrainer as DistillationTrainer
    from shortstack.distillation.weighted_losses import WeightedLoss as WeightedLoss
    from shortstack.errors import ConfigurationError as ConfigurationError
    from shortstack.errors import DataError as DataError
    from shortstack.errors import DiskFullError as DiskFullError
    from shortstack.errors import DownloadError as DownloadError
    from shortstack.errors import EmptyDataError as EmptyDataError
    from shortstack.errors import NonFiniteError as NonFiniteError
    from shortstack.errors import OtherProcessError as OtherProcessError
    from shortstack.errors import OutOfMemoryError as OutOfMemoryError
    from shortstack.errors import PluginError as PluginError
    from shortstack.errors import ProofError as ProofError
    from shortstack.errors import RowError as RowError
    from shortstack.errors import RunFolderError as RunFolderError
    from shortstack.errors import ShortstackError as ShortstackError
    from shortstack.errors import SourceNotFoundError as SourceNotFoundError
    from shortstack.errors import UnknownNameError as UnknownNameError
    from shortstack.errors import UnsupportedModelError as UnsupportedModelError
    from shortstack.errors import UnwritableError as UnwritableError
    from shortstack.errors import UploadError as UploadError
    from shortstack.errors import WorkerError as WorkerError
    from shortstack.evaluation.evaluator import RecommendationEvaluator as RecommendationEvaluator
    from shortstack.evaluation.impressions import ImpressionEvaluator as ImpressionEvaluator
    from shortstack.evaluation.objectives import ranking_objective as ranking_objective
    from shortstack.evaluation.ratings import RatingEvaluator as RatingEvaluator
    from shortstack.exporting.export import export_recommender as export_recommender
    from shortstack.hooks import hookimpl as hookimpl
    from shortstack.importance.measure import measure_importance as measure_importance
    from shortstack.importance.objectives import candidate_objective as candidate_objective
    from shortstack.recommender import CompactStudentModel as CompactStudentModel
    from shortstack.recommender import Recommender as Recommender
    from shortstack.registry import Registry as Registry
    from shortstack.result import RunResult as RunResult
    from shortstack.run import Run as Run
    from shortstack.selection.selector import AdaptiveLayerSelector as AdaptiveLayerSelector
    from shortstack.students.build import build_student as build_student
    from shortstack.studies.finished_runs import compare as compare
    from shortstack.studies.result import StudyResult as StudyResult
    from shortstack.studies.study import Study as Study

_HOMES = {
    "AdaptiveLayerSelector": "selection.selector",
    "Budget": "config.budget",
    "CompactStudentModel": "recommender",
    "ConfigurationError": "errors",
    "DataError": "errors",
    "DistillationTrainer": "distillation.trainer",
    "DiskFullError": "errors",
    "DownloadError": "errors",
    "EmptyDataError": "errors",
    "FitSettings": "config.training",
    "Importance": "contracts",
    "ImpressionEvaluator": "evaluation.impressions",
    "Interactions": "data.interactions",
    "MeanScorer": "contracts",
    "NonFiniteError": "errors",
    "OtherProcessError": "errors",
    "OutOfMemoryError": "errors",
    "PluginError": "errors",
    "ProofError": "errors",
    "RatingEvaluator": "evaluation.ratings",
    "RecommendationEvaluator": "evaluation.evaluator",
    "Recommender": "recommender",
    "Registry": "registry",
    "RowError": "errors",
    "Run": "run",
    "RunFolderError": "errors",
    "RunResult": "result",
    "Selection": "contracts",
    "ShortstackError": "errors",
    "SourceNotFoundError": "errors",
    "Study": "studies.study",
    "StudyResult": "studies.result",
    "Terms": "contracts",
    "UnknownNameError": "errors",
    "UnsupportedModelError": "errors",
    "UnwritableError": "errors",
    "WorkerError": "errors",
    "UploadError": "errors",
    "WeightedLoss": "distillation.weighted_losses",
    "build_student": "students.build",
    "candidate_objective": "importance.objectives",
    "compare": "studies.finished_runs",
    "export_recommender": "exporting.export",
    "hookimpl": "hooks",
    "loss": "decorators",
    "measure_importance": "importance.measure",
    "ranking_objective": "evaluation.objectives",
    "scorer": "decorators",
}

__all__ = [
    "AdaptiveLayerSelector",
    "Budget",
    "CompactStudentModel",
    "ConfigurationError",
    "DataError",
    "DiskFullError",
    "DistillationTrainer",
    "DownloadError",
    "EmptyDataError",
    "FitSettings",
    "Importance",
    "ImpressionEvaluator",
    "Interactions",
    "MeanScorer",
    "NonFiniteError",
    "OtherProcessError",
    "OutOfMemoryError",
    "PluginError",
    "ProofError",
    "RatingEvaluator",
    "RecommendationEvaluator",
    "Recommender",
    "Registry",
    "RowError",
    "Run",
    "RunFolderError",
    "RunResult",
    "Selection",
    "ShortstackError",
    "SourceNotFoundError",
    "Study",
    "StudyResult",
    "Terms",
    "UnknownNameError",
    "UnsupportedModelError",
    "UnwritableError",
    "UploadError",
    "WeightedLoss",
    "WorkerError",
    "build_student",
    "candidate_objective",
    "compare",
    "export_recommender",
    "hookimpl",
    "loss",
    "measure_importance",
    "ranking_objective",
    "scorer",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
