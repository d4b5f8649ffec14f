"""Scorers made from other scorers' results."""

import torch
from mutants.scorers.lasting import AllThere

from shortstack import measure_importance
from shortstack.testing import Batching, Corpus, TinyModel


def test_they_see_what_they_named_alone():
    """A scorer that adds up all that it is given gives the same beside others as alone."""
    model, batches = TinyModel(layers=3).build(), Batching().batches(Corpus(lengths=(3, 5)).examples())
    alone = measure_importance(model, batches, {"sum": AllThere()})
    beside = measure_importance(model, batches, {"fisher": None, "angular": None, "sum": AllThere()})

    assert torch.equal(beside["sum"].scores, alone["sum"].scores)
