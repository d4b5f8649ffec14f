"""Hypothesis strategies that draw recipes, for your own properties: they shrink, and their failures can be pasted."""

from shortstack.testing.strategies.corpora import batchings, corpora
from shortstack.testing.strategies.damage import damages, other_sources
from shortstack.testing.strategies.lessons import lessons
from shortstack.testing.strategies.loss_inputs import loss_inputs, temperatures
from shortstack.testing.strategies.models import models
from shortstack.testing.strategies.prunings import prunings, selections
from shortstack.testing.strategies.questions import layer_questions, parameter_budgets, score_vectors
from shortstack.testing.strategies.tables import interaction_tables

__all__ = [
    "batchings",
    "corpora",
    "damages",
    "interaction_tables",
    "layer_questions",
    "lessons",
    "loss_inputs",
    "models",
    "other_sources",
    "parameter_budgets",
    "prunings",
    "score_vectors",
    "selections",
    "temperatures",
]
