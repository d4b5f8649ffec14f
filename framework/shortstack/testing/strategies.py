"""Hypothesis strategies that draw recipes, for your own properties: they shrink, and their failures can be pasted."""

from shortstack.testing.recipes.corpora import batchings, corpora
from shortstack.testing.recipes.damage import damages, other_sources
from shortstack.testing.recipes.lessons import lessons
from shortstack.testing.recipes.loss_inputs import loss_inputs, temperatures
from shortstack.testing.recipes.models import models
from shortstack.testing.recipes.prunings import prunings, selections
from shortstack.testing.recipes.questions import layer_questions, parameter_budgets, score_vectors
from shortstack.testing.recipes.tables import interaction_tables

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
