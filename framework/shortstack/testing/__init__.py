"""The conformance kit for plugin authors: what a correct component must satisfy, checked on drawn examples.

Names load what they need when they are first used: importing this package imports neither torch nor Hypothesis.
Running laws needs the extra ``testing`` (``pip install 'shortstack[testing]'``).
"""

from typing import TYPE_CHECKING

from shortstack.lazy import lazily

if TYPE_CHECKING:
    from shortstack.testing.broken import BrokenLawError as BrokenLawError
    from shortstack.testing.checking import check as check
    from shortstack.testing.checking import laws_for as laws_for
    from shortstack.testing.checking import reproduce as reproduce
    from shortstack.testing.outcomes import Outcome as Outcome
    from shortstack.testing.recipes.corpora import Batching as Batching
    from shortstack.testing.recipes.corpora import Corpus as Corpus
    from shortstack.testing.recipes.damage import Damage as Damage
    from shortstack.testing.recipes.damage import OtherSource as OtherSource
    from shortstack.testing.recipes.lessons import Lesson as Lesson
    from shortstack.testing.recipes.loss_inputs import LossInputs as LossInputs
    from shortstack.testing.recipes.models import TinyModel as TinyModel
    from shortstack.testing.recipes.prunings import Pruning as Pruning
    from shortstack.testing.recipes.questions import LayerQuestion as LayerQuestion
    from shortstack.testing.recipes.questions import ParameterBudget as ParameterBudget
    from shortstack.testing.recipes.tables import InteractionTable as InteractionTable
    from shortstack.testing.suites import DatasetSuite as DatasetSuite
    from shortstack.testing.suites import LossSuite as LossSuite
    from shortstack.testing.suites import ScorerSuite as ScorerSuite
    from shortstack.testing.suites import StrategySuite as StrategySuite
    from shortstack.testing.suites import StudentSuite as StudentSuite

_HOMES = {
    "Batching": "recipes.corpora",
    "BrokenLawError": "broken",
    "Corpus": "recipes.corpora",
    "Damage": "recipes.damage",
    "DatasetSuite": "suites",
    "InteractionTable": "recipes.tables",
    "LayerQuestion": "recipes.questions",
    "Lesson": "recipes.lessons",
    "LossInputs": "recipes.loss_inputs",
    "LossSuite": "suites",
    "OtherSource": "recipes.damage",
    "Outcome": "outcomes",
    "ParameterBudget": "recipes.questions",
    "Pruning": "recipes.prunings",
    "ScorerSuite": "suites",
    "StrategySuite": "suites",
    "StudentSuite": "suites",
    "TinyModel": "recipes.models",
    "check": "checking",
    "laws_for": "checking",
    "reproduce": "checking",
}

__all__ = [
    "Batching",
    "BrokenLawError",
    "Corpus",
    "Damage",
    "DatasetSuite",
    "InteractionTable",
    "LayerQuestion",
    "Lesson",
    "LossInputs",
    "LossSuite",
    "OtherSource",
    "Outcome",
    "ParameterBudget",
    "Pruning",
    "ScorerSuite",
    "StrategySuite",
    "StudentSuite",
    "TinyModel",
    "check",
    "laws_for",
    "reproduce",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
