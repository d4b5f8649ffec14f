"""Hypothesis strategies that draw recipes, for your own properties: they shrink, and their failures can be pasted."""

from shortstack.testing.strategies.corpora import batchings, corpora
from shortstack.testing.strategies.models import models

__all__ = ["batchings", "corpora", "models"]
