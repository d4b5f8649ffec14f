"""Wrong datasets and right ones."""

from mutants.datasets import elsewhere, values
from mutants.datasets.other_styles import CORRECT
from mutants.datasets.wrong_adapters import ADAPTERS
from mutants.datasets.wrong_core import CORE

MUTANTS = (*ADAPTERS, *values.MUTANTS, *elsewhere.MUTANTS, *CORE)

__all__ = ["CORRECT", "MUTANTS"]
