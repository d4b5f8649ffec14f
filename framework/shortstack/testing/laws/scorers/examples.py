"""The content of the examples matters; their order, batching and padding do not."""

import attrs
import torch
from hypothesis import strategies as st

from shortstack.contracts import FoldScorer, Signal
from shortstack.errors import EmptyDataError
from shortstack.models.decoder import Decoder, residual_writers
from shortstack.testing.comparing import assert_close, require
from shortstack.testing.law import Condition, law
from shortstack.testing.laws.scorers.measuring import (
    A_FOLD_OVER_DATA,
    FREE_OF_BATCHES,
    PAIRS,
    READS_DATA,
    fold,
    fold_scorer,
    importance,
    one_batch,
    require_same,
    scores,
)
from shortstack.testing.recipes.corpora import Batching, Corpus
from shortstack.testing.recipes.models import TinyModel
from shortstack.testing.strategies import batchings, corpora, models
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import LONG_SUM, SINGLE

OVER_GRADIENTS = Condition(
    words="it is a fold over gradients",
    holds=lambda subject: (
        isinstance(scorer := subject.build(), FoldScorer)
        and bool(scorer.needs & {Signal.GRADIENTS, Signal.PARAMETER_GRADIENTS})
    ),
)
COUNTS_EXAMPLES = Condition(
    words="traits.averages_over is neither 'nothing' nor 'batches'",
    holds=lambda subject: READS_DATA.holds(subject) and FREE_OF_BATCHES.holds(subject),
)
READS_VALUES = Condition(
    words="traits.averages_over is not 'nothing', and not traits.rank_valued",
    holds=lambda subject: READS_DATA.holds(subject) and not subject.traits.rank_valued,
)
ALONE = Batching(sizes=(1,))
"""Batching with every example alone, without padding."""

COUNTED = models(("gpt2",))
"""Models with learnt absolute positions, where a miscounted position shows; rotary models see distances only."""

TRIALS = 12
"""Number of pairs of calibration sets or models: a scorer that takes a maximum may give equal scores for one pair."""

MANY = 4096
"""Number of equal terms that a half-precision sum cannot hold: bfloat16 stops growing at 256, float16 at 2048."""


@law(
    "scorer",
    examples=PAIRS,
    when=FREE_OF_BATCHES,
    model=models(),
    corpus=corpora(examples=(2, 6)),
    seed=st.integers(0, 9),
)
def example_order(subject: Subject, *, model: TinyModel, corpus: Corpus, seed: int) -> None:
    """The order of the examples changes no score."""
    built, examples = model.build(), corpus.examples()
    original = scores(subject, built, Batching(sizes=(2,)).batches(examples))
    other = scores(subject, built, Batching(sizes=(2,), shuffled=seed).batches(examples))

    require_same(subject, model, other, original, "scores of the same examples in another order")


@law(
    "scorer",
    when=FREE_OF_BATCHES,
    model=models(),
    corpus=corpora(examples=(2, 6)),
    batching=batchings(sides=("right",)),
)
def batch_size(subject: Subject, *, model: TinyModel, corpus: Corpus, batching: Batching) -> None:
    """Any partition of the same examples into batches gives the same scores."""
    built = model.build()
    whole = scores(subject, built, one_batch(corpus))
    parts = scores(subject, built, attrs.evolve(batching, shuffled=None).batches(corpus.examples()))

    require_same(subject, model, parts, whole, "scores of the same examples in other batches")


@law(
    "scorer",
    when=COUNTS_EXAMPLES,
    examples=3,
    model=models(layers=(1, 2), dtypes=("float64",)),
    corpus=corpora(examples=(3, 3)),
    seed=st.integers(0, 9),
)
def many_examples(subject: Subject, *, model: TinyModel, corpus: Corpus, seed: int) -> None:
    """Three examples repeated sixteen times, shuffled and batched, score as they do once: none are too many."""
    built = model.build()
    once = importance(subject, built, one_batch(corpus))
    mixed = Batching(sizes=(7, 1, 16), shuffled=seed).batches(corpus.examples() * 16)
    many = importance(subject, built, mixed)
    factor = 16 if subject.traits.accumulates == "sum" else 1

    assert_close(many.scores, factor * once.scores, SINGLE, f"scores of 48 examples ({factor} ×)")
    require(many.examples == 16 * once.examples, f"{many.examples} examples, where there are 16 times {once.examples}")


@law("scorer", when=READS_VALUES)
def late_tokens(subject: Subject) -> None:
    """Late tokens count: changing those from the 65th on changes the scores, in one of twelve trials at least."""
    model = TinyModel(roomy=True, layers=4)  # several layers: scores may be relative to each other
    for seed in range(TRIALS):
        corpus = Corpus(lengths=(96, 96), seed=seed)
        batches, late = one_batch(corpus), one_batch(corpus)
        other = one_batch(attrs.evolve(corpus, seed=seed + TRIALS))
        for name in ("input_ids", "labels"):
            late[0][name][:, 64:] = other[0][name][:, 64:]
        if not torch.equal(scores(subject, model.build(), batches), scores(subject, model.build(), late)):
            return
    require(condition=False, problem=f"other tokens from the 65th on gave the same scores {TRIALS} times")


@law("scorer", when=READS_VALUES)
def late_channels(subject: Subject) -> None:
    """All channels count: models that differ from the 33rd on score differently, in one of twelve trials at least."""
    for seed in range(TRIALS):
        first, second = (TinyModel(roomy=True, layers=4, seed=seed).build() for _ in range(2))
        for model in (first, second):
            for layer in Decoder.of(model).layers:
                for _, parameter in residual_writers(layer):
                    parameter.data[:32] = 0
        second.get_input_embeddings().weight.data[:, 32:].neg_()
        batches = one_batch(Corpus(lengths=(8, 8), seed=seed))
        if not torch.equal(scores(subject, first, batches), scores(subject, second, batches)):
            return
    require(condition=False, problem=f"models that differ from the 33rd channel on had the same scores {TRIALS} times")


@law("scorer", examples=PAIRS, when=READS_DATA, model=models(), corpus=corpora())
def duplication(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """Repeating all examples leaves a mean (``traits.accumulates = "mean"``) and doubles a sum (``"sum"``)."""
    built = model.build()
    once = scores(subject, built, one_batch(corpus))
    twice = scores(subject, built, [*one_batch(corpus), *one_batch(corpus)])
    factor = 2 if subject.traits.accumulates == "sum" else 1

    require_same(subject, model, twice, factor * once, f"scores of the examples twice over ({factor} ×)")


@law("scorer", when=A_FOLD_OVER_DATA, examples=2, model=models(layers=(1, 2)), corpus=corpora())
def long_sums(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """Merging 4,096 equal parts loses nothing: sums are kept in float32 or wider."""
    scorer = fold_scorer(subject)
    part = fold(scorer, model.build(), one_batch(corpus))
    whole = part
    for _ in range(MANY - 1):
        whole = scorer.merge(whole, part)
    factor = MANY if subject.traits.accumulates == "sum" else 1

    expected, actual = factor * scorer.finish(part).scores, scorer.finish(whole).scores
    assert_close(actual, expected, LONG_SUM, f"scores of {MANY} equal parts ({factor} ×)")


@law(
    "scorer",
    examples=PAIRS,
    when=FREE_OF_BATCHES,
    model=models(),
    corpus=corpora(examples=(1, 4)),
    padding=batchings(sides=("right",)),
)
def right_padding(subject: Subject, *, model: TinyModel, corpus: Corpus, padding: Batching) -> None:
    """Masked columns on the right change no score, whatever token fills them."""
    _require_padding_is_nothing(subject, model, corpus, padding)


@law(
    "scorer",
    examples=PAIRS,
    when=FREE_OF_BATCHES,
    model=models() | COUNTED,
    corpus=corpora(examples=(1, 4)),
    padding=batchings(sides=("left",)),
)
def left_padding(subject: Subject, *, model: TinyModel, corpus: Corpus, padding: Batching) -> None:
    """Masked columns on the left change no score, whatever token fills them: positions are counted from the mask."""
    _require_padding_is_nothing(subject, model, corpus, padding)


def _require_padding_is_nothing(subject: Subject, model: TinyModel, corpus: Corpus, padding: Batching) -> None:
    built, examples = model.build(), corpus.examples()
    bare = scores(subject, built, ALONE.batches(examples))
    padded = scores(subject, built, attrs.evolve(padding, extra=padding.extra + 1).batches(examples))

    require_same(subject, model, padded, bare, "scores with padding")


@law(
    "scorer",
    examples=PAIRS,
    when=READS_DATA,
    model=models(),
    corpus=corpora(examples=(1, 4)),
    batching=batchings(blanks=(1, 2)),
)
def blank_examples(subject: Subject, *, model: TinyModel, corpus: Corpus, batching: Batching) -> None:
    """An example that is all padding contributes nothing: neither to the scores nor to the count of examples."""
    built, examples = model.build(), corpus.examples()
    without = importance(subject, built, attrs.evolve(batching, blanks=0).batches(examples))
    with_blanks = importance(subject, built, batching.batches(examples))

    require_same(subject, model, with_blanks.scores, without.scores, "scores with examples of padding alone")
    require(
        with_blanks.examples == without.examples,
        f"{with_blanks.examples} examples with blank ones, {without.examples} without",
    )


@law(
    "scorer",
    examples=PAIRS,
    when=OVER_GRADIENTS,
    model=models(),
    corpus=corpora(examples=(1, 3)),
    others=corpora(),
)
def unlabelled_examples(subject: Subject, *, model: TinyModel, corpus: Corpus, others: Corpus) -> None:
    """An example without a label contributes nothing to scores made of gradients."""
    built, labelled = model.build(), attrs.evolve(corpus, unlabelled=())
    silent = attrs.evolve(others, unlabelled=tuple(range(len(others.lengths))))
    without = scores(subject, built, one_batch(labelled))
    mixed = Batching(sizes=(2,)).batches([*labelled.examples(), *silent.examples()])

    require_same(subject, model, scores(subject, built, mixed), without, "scores beside unlabelled examples")


@law("scorer", when=READS_DATA, model=models(layers=(1, 2)))
def no_examples(subject: Subject, *, model: TinyModel) -> None:
    """Without any examples there is an ``EmptyDataError``: never NaN, never zeros that look like scores."""
    built, scorer = model.build(), subject.build()
    try:
        if isinstance(scorer, FoldScorer):
            values = scorer.finish(fold(scorer, built, [])).scores
        else:
            values = scores(subject, built, [])
    except EmptyDataError:
        return
    require(condition=False, problem=f"no examples gave the scores {values.tolist()} instead of an EmptyDataError")
