"""What a scorer gives."""

import torch

from shortstack.contracts import FoldScorer, Importance
from shortstack.importance.measure import measure_importance
from shortstack.testing.comparing import assert_close, require, tolerance_for
from shortstack.testing.law import Condition, law
from shortstack.testing.recipes.corpora import Batching, Corpus
from shortstack.testing.recipes.models import TinyModel
from shortstack.testing.strategies import batchings, corpora, models
from shortstack.testing.subject import Subject

FREE_OF_BATCHES = Condition(
    words="traits.averages_over is not 'batches'", holds=lambda subject: subject.traits.averages_over != "batches"
)
A_FOLD = Condition(words="it is a fold", holds=lambda subject: isinstance(subject.build(), FoldScorer))


def measured(subject: Subject, model: TinyModel, corpus: Corpus, batching: Batching) -> Importance:
    """What a fresh scorer says."""
    batches = batching.batches(corpus.examples())
    return measure_importance(model.build(), batches, {subject.name: subject.settings}, registry=subject.registry)[
        subject.name
    ]


@law("scorer", 1, model=models(), corpus=corpora(), batching=batchings())
def shape(subject: Subject, *, model: TinyModel, corpus: Corpus, batching: Batching) -> None:
    """A scorer gives one finite float64 score a layer."""
    scores = measured(subject, model, corpus, batching).scores

    require(scores.dtype == torch.float64, f"the scores are {scores.dtype}, not float64")
    require(tuple(scores.shape) == (model.layers,), f"shape {tuple(scores.shape)} for {model.layers} layers")
    require(scores.isfinite().all(), f"not every score is finite: {scores.tolist()}")


@law("scorer", 6, when=FREE_OF_BATCHES, model=models(), corpus=corpora(), batching=batchings())
def batch_size(subject: Subject, *, model: TinyModel, corpus: Corpus, batching: Batching) -> None:
    """Any partition of the same examples into batches gives the same scores."""
    whole = measured(subject, model, corpus, Batching(sizes=(len(corpus.lengths),)))
    parts = measured(subject, model, corpus, batching)

    assert_close(parts.scores, whole.scores, tolerance_for(model.dtype), "scores of the same examples in other batches")
