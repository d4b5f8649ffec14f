"""The form of a scorer's result, and the absence of side effects."""

import torch
from hypothesis import strategies as st

from shortstack.testing.comparing import require
from shortstack.testing.fingerprints import differences, fingerprint
from shortstack.testing.law import Condition, law
from shortstack.testing.laws.scorers.measuring import (
    PAIRS,
    READS_DATA,
    importance,
    one_batch,
    require_same,
    scores,
)
from shortstack.testing.recipes.corpora import Batching, Corpus
from shortstack.testing.recipes.models import FAMILIES, TinyModel
from shortstack.testing.strategies import batchings, corpora, models
from shortstack.testing.subject import Subject

BOUNDED = Condition(
    words="traits.lower or traits.upper is given",
    holds=lambda subject: subject.traits.lower is not None or subject.traits.upper is not None,
)


@law("scorer", model=models(tuple(FAMILIES)), corpus=corpora(), batching=batchings())
def shape(subject: Subject, *, model: TinyModel, corpus: Corpus, batching: Batching) -> None:
    """A scorer returns one float64 score per layer, in the layers' order, on the CPU."""
    values = importance(subject, model.build(), batching.batches(corpus.examples())).scores

    require(values.dtype == torch.float64, f"the scores are {values.dtype}, not float64")
    require(values.device.type == "cpu", f"the scores are on {values.device}, not on the CPU")
    require(tuple(values.shape) == (model.layers,), f"shape {tuple(values.shape)} for {model.layers} layers")


@law("scorer", model=models(tuple(FAMILIES)) | models(idle=True), corpus=corpora(), batching=batchings(blanks=(0, 1)))
def finite(subject: Subject, *, model: TinyModel, corpus: Corpus, batching: Batching) -> None:
    """No score is NaN or infinite, whatever the padding, and even if a layer does nothing."""
    values = scores(subject, model.build(), batching.batches(corpus.examples()))

    require(bool(values.isfinite().all()), f"not every score is finite: {values.tolist()}")


@law("scorer", examples=10, model=models(), corpus=corpora(), louder=st.sampled_from([7, 10]))
def finite_where_certain(subject: Subject, *, model: TinyModel, corpus: Corpus, louder: int) -> None:
    """No score is NaN or infinite where the model is certain and wrong, by thousands of nats per example."""
    built = model.build()
    built.get_output_embeddings().weight.data *= 2.0**louder
    values = scores(subject, built, one_batch(corpus))

    require(bool(values.isfinite().all()), f"not every score is finite: {values.tolist()}")


@law("scorer", when=READS_DATA, model=models(layers=(1, 2)), corpus=corpora(), batching=batchings(blanks=(0, 2)))
def examples_counted(subject: Subject, *, model: TinyModel, corpus: Corpus, batching: Batching) -> None:
    """A scorer reports the number of examples: all with a token, or, where it needs labels, all with a label."""
    count = importance(subject, model.build(), batching.batches(corpus.examples())).examples
    labelled = len(corpus.lengths) - len(corpus.unlabelled)
    right = {labelled, len(corpus.lengths)} if subject.traits.needs_labels else {len(corpus.lengths)}

    require(count in right, f"{count} examples, where there are {len(corpus.lengths)}, {labelled} of them labelled")


@law("scorer", model=models(tuple(FAMILIES), layers=(1, 3)), corpus=corpora(examples=(1, 3)))
def model_untouched(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """Scoring changes neither the model, its mode included, nor process-wide state: random states, torch's modes."""
    built = model.build().train()
    # one frozen parameter, so that a reset of the flags shows
    next(built.parameters()).requires_grad_(requires_grad=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(corpus.lengths))  # a state that no scorer would set by itself
        torch.rand(7)
        before = fingerprint(built)
        importance(subject, built, one_batch(corpus))
        changed = differences(before, fingerprint(built))

    require(not changed, f"scoring changed {', '.join(changed)}")


@law("scorer", examples=5, model=models(layers=(1, 3), dtypes=("float64",)), corpus=corpora(examples=(1, 3)))
def flags_count_not(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """Frozen parameters, training mode and old gradients do not change the scores."""
    plain, frozen, trained = model.build(), model.build().requires_grad_(requires_grad=False), model.build().train()
    for parameter in trained.parameters():
        parameter.grad = parameter.detach().cos()
    expected = scores(subject, plain, one_batch(corpus))
    for what, changed in (("frozen", frozen), ("in training", trained)):
        actual = scores(subject, changed, one_batch(corpus))
        require_same(subject, model, actual, expected, f"scores of a model that is {what}")


@law("scorer", examples=PAIRS, model=models(), corpus=corpora(), batching=batchings())
def determinism(subject: Subject, *, model: TinyModel, corpus: Corpus, batching: Batching) -> None:
    """The same model and examples give the same scores, bit for bit, whatever the random state."""
    batches = batching.batches(corpus.examples())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = scores(subject, model.build(), batches)
        torch.manual_seed(2)
        second = scores(subject, model.build(), batches)

    require(torch.equal(first.nan_to_num(), second.nan_to_num()), f"{first.tolist()} at first, then {second.tolist()}")


@law("scorer", when=BOUNDED, model=models(idle=True), corpus=corpora(), batching=batchings())
def bounds(subject: Subject, *, model: TinyModel, corpus: Corpus, batching: Batching) -> None:
    """No score is below ``traits.lower`` or above ``traits.upper``, exactly: rounding is clamped."""
    values = scores(subject, model.build(), batching.batches(corpus.examples()))
    traits = subject.traits
    low = float("-inf") if traits.lower is None else traits.lower
    high = float("inf") if traits.upper is None else traits.upper

    require(bool(((low <= values) & (values <= high)).all()), f"{values.tolist()} outside [{low}, {high}]")
