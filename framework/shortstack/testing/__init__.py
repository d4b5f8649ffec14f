"""The conformance kit for plugin authors: what a correct component must satisfy, checked on drawn examples.

Names load what they need when they are first used: importing this package imports neither torch nor Hypothesis.
Running laws needs the extra ``testing`` (``pip install 'shortstack[testing]'``).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shortstack.testing.broken import BrokenLawError as BrokenLawError
    from shortstack.testing.checking import check as check
    from shortstack.testing.checking import laws_for as laws_for
    from shortstack.testing.checking import reproduce as reproduce
    from shortstack.testing.outcomes import Outcome as Outcome
    from shortstack.testing.recipes.corpora import Batching as Batching
    from shortstack.testing.recipes.corpora import Corpus as Corpus
    from shortstack.testing.recipes.models import TinyModel as TinyModel
    from shortstack.testing.suites import DatasetSuite as DatasetSuite
    from shortstack.testing.suites import LossSuite as LossSuite
    from shortstack.testing.suites import ScorerSuite as ScorerSuite
    from shortstack.testing.suites import StrategySuite as StrategySuite
    from shortstack.testing.suites import StudentSuite as StudentSuite

_HOMES = {
    "Batching": "recipes.corpora",
    "BrokenLawError": "broken",
    "Corpus": "recipes.corpora",
    "DatasetSuite": "suites",
    "LossSuite": "suites",
    "Outcome": "outcomes",
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
    "DatasetSuite",
    "LossSuite",
    "Outcome",
    "ScorerSuite",
    "StrategySuite",
    "StudentSuite",
    "TinyModel",
    "check",
    "laws_for",
    "reproduce",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
