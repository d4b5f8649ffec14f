"""Laws on how scores respond to changes of the weights or of the objective."""

from typing import Final

import attrs
import torch
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.contracts import Signal
from shortstack.contracts.labels import IGNORED
from shortstack.errors import EmptyDataError
from shortstack.importance.objectives import next_token
from shortstack.testing.comparing import assert_close, require, tolerance_for
from shortstack.testing.law import Condition, law, promises
from shortstack.testing.laws.scorers.measuring import A_FOLD, PAIRS, one_batch, require_same, scores
from shortstack.testing.recipes.corpora import Batching, Corpus
from shortstack.testing.recipes.models import TinyModel
from shortstack.testing.same_function import HEADED, SCALABLE, permute_heads, permute_neurons, relabel, rescale_neurons
from shortstack.testing.strategies import corpora, models
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import DOUBLE, HALF_MODEL, HALF_WEIGHTS, IDLE, RESCALED

OBJECTIVE_POWER = Condition(
    words="traits.objective_power is given", holds=lambda subject: subject.traits.objective_power is not None
)
WEIGHT_POWER = Condition(
    words="traits.weight_power is given", holds=lambda subject: subject.traits.weight_power is not None
)
FROM_WEIGHTS = Condition(
    words="traits.averages_over is 'nothing'", holds=lambda subject: subject.traits.averages_over == "nothing"
)
OF_STATES = Condition(
    words="it is a fold that reads states and no weights, and not traits.identity_is_zero nor traits.rank_valued",
    holds=lambda subject: (
        A_FOLD.holds(subject)
        and Signal.STATES in subject.build().needs <= {Signal.STATES, Signal.GRADIENTS}
        and not (subject.traits.identity_is_zero or subject.traits.rank_valued)
    ),
)
NO_LABELS = Condition(words="not traits.needs_labels", holds=lambda subject: not subject.traits.needs_labels)
A_FOLD_OF_VALUES = Condition(
    words="it is a fold, and not traits.rank_valued",
    holds=lambda subject: A_FOLD.holds(subject) and not subject.traits.rank_valued,
)
SEEDS: Final = st.integers(0, 9)


@law("scorer", when=promises("identity_is_zero"), model=models(idle=True), corpus=corpora())
def idle_layers(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """A layer that passes its input on unchanged scores 0, wherever it stands."""
    values = scores(subject, model.build(), one_batch(corpus))[list(model.idle)]

    assert_close(values, torch.zeros_like(values), IDLE[model.dtype], f"scores of the idle layers {list(model.idle)}")


@law(
    "scorer",
    when=promises("function_only"),
    model=models(SCALABLE),
    corpus=corpora(),
    power=st.integers(-3, 3).filter(bool),
)
def rescaling(subject: Subject, *, model: TinyModel, corpus: Corpus, power: int) -> None:
    """Scaling a neuron's input by a power of two and its output by the inverse changes no score, bit for bit."""
    original, scaled = model.build(), model.build()
    rescale_neurons(scaled, power)
    before, after = (scores(subject, each, one_batch(corpus)) for each in (original, scaled))

    require(torch.equal(before, after), f"{before.tolist()} before, {after.tolist()} after rescaling by 2^{power}")


@law("scorer", examples=PAIRS, model=models(), corpus=corpora(), seed=SEEDS)
def neuron_order(subject: Subject, *, model: TinyModel, corpus: Corpus, seed: int) -> None:
    """Reordering the neurons of every MLP, in all its matrices alike, changes no score."""
    original, reordered = model.build(), model.build()
    permute_neurons(reordered, seed)
    before, after = (scores(subject, each, one_batch(corpus)) for each in (original, reordered))

    require_same(subject, model, after, before, "scores of the same model with its neurons in another order")


@law("scorer", examples=PAIRS, model=models(HEADED), corpus=corpora(), seed=SEEDS)
def head_order(subject: Subject, *, model: TinyModel, corpus: Corpus, seed: int) -> None:
    """Reordering the heads of every attention, in all its matrices alike, changes no score."""
    original, reordered = model.build(), model.build()
    permute_heads(reordered, seed)
    before, after = (scores(subject, each, one_batch(corpus)) for each in (original, reordered))

    require_same(subject, model, after, before, "scores of the same model with its heads in another order")


@law("scorer", when=OF_STATES, examples=6, model=models(layers=(3, 4), dtypes=("float64",)), corpus=corpora())
def idle_is_not_best(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """A layer that passes its input on unchanged is not the most important one, wherever it stands among others."""
    tops = []
    for place in range(model.layers):
        values = scores(subject, attrs.evolve(model, idle=(place,)).build(), one_batch(corpus))
        others = torch.cat([values[:place], values[place + 1 :]])
        tops.append(bool(values[place] > others.max()))

    require(not all(tops), "the highest score of all is that of the layer that does nothing, whichever layer that is")


@law("scorer", examples=PAIRS, model=models(), corpus=corpora(), seed=SEEDS)
def token_names(subject: Subject, *, model: TinyModel, corpus: Corpus, seed: int) -> None:
    """Renaming the tokens, in the model and in the data, changes no score: no token id has a meaning of its own."""
    original, renamed = model.build(), model.build()
    batches = Batching(sizes=(3,)).batches(corpus.examples())
    before = scores(subject, original, batches)
    after = scores(subject, renamed, relabel(renamed, batches, seed))

    require_same(subject, model, after, before, "scores of the same model with its tokens renamed")


@law("scorer", when=WEIGHT_POWER, model=models(), corpus=corpora(), power=st.integers(-3, 3))
def weight_scale(subject: Subject, *, model: TinyModel, corpus: Corpus, power: int) -> None:
    """Multiplying all weights by ``c > 0`` multiplies the scores by ``c`` to the power ``traits.weight_power``."""
    original, scaled = model.build(), model.build()
    for parameter in scaled.parameters():
        parameter.data *= 2.0**power
    factor = 2.0 ** (power * subject.traits.weight_power)
    before, after = (scores(subject, each, one_batch(corpus)) for each in (original, scaled))

    assert_close(after, factor * before, DOUBLE, f"scores of the weights times {2.0**power:g} ({factor:g} ×)")


@law(
    "scorer",
    examples=PAIRS,
    when=OBJECTIVE_POWER,
    model=models(),
    corpus=corpora(),
    scale=st.sampled_from([0.25, 3.0, 100.0]),
)
def objective_scale(subject: Subject, *, model: TinyModel, corpus: Corpus, scale: float) -> None:
    """Multiplying the objective by ``c > 0`` multiplies the scores by ``c`` to the power ``traits.objective_power``."""

    def scaled(given: PreTrainedModel, ids: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        return scale * next_token(given, ids, mask, labels)

    factor = scale**subject.traits.objective_power
    before = scores(subject, model.build(), one_batch(corpus))
    after = scores(subject, model.build(), one_batch(corpus), objective=scaled)

    tolerance = RESCALED if model.dtype == "float64" else tolerance_for(model.dtype)
    assert_close(after, factor * before, tolerance, f"scores of the objective times {scale:g} ({factor:g} ×)")


@law("scorer", when=FROM_WEIGHTS, model=models(), corpus=corpora())
def weights_alone(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """Scores computed from weights alone are the same for any examples, and for none, bit for bit."""
    with_data, without = (scores(subject, model.build(), batches) for batches in (one_batch(corpus), []))

    require(torch.equal(with_data, without), f"{with_data.tolist()} with examples, {without.tolist()} without")


@law("scorer", examples=PAIRS, when=NO_LABELS, model=models(), corpus=corpora(), seed=SEEDS)
def labels_unused(subject: Subject, *, model: TinyModel, corpus: Corpus, seed: int) -> None:
    """If labels are not needed, other labels, or none, give the same scores, bit for bit."""
    original = one_batch(corpus)
    generator = torch.Generator().manual_seed(seed)
    labels = [batch["labels"] for batch in original]
    others = {
        "others": [each[:, torch.randperm(each.shape[1], generator=generator)] for each in labels],
        "none": [torch.full_like(each, IGNORED) for each in labels],
        "every token": [batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED) for batch in original],
    }
    before = scores(subject, model.build(), original)
    for what, changed in others.items():
        batches = [{**batch, "labels": each} for batch, each in zip(original, changed, strict=True)]
        try:
            after = scores(subject, model.build(), batches)
        except EmptyDataError as error:
            raise AssertionError(f"labels are not needed, but with {what}: {error}") from error

        require(torch.equal(before, after), f"{before.tolist()} with these labels, {after.tolist()} with {what}")


@law(
    "scorer",
    examples=PAIRS,
    when=A_FOLD_OF_VALUES,
    model=models(dtypes=("bfloat16",)),
    corpus=corpora(examples=(4, 6)),
)
def half_precision(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """A bfloat16 model scores as its float32 copy does, up to the rounding of its own arithmetic.

    Scores computed from weights alone see the same numbers in both, so they must agree within 1 %.
    """
    half = scores(subject, model.build(), one_batch(corpus))
    single = scores(subject, model.build().float(), one_batch(corpus))

    tolerance = HALF_WEIGHTS if FROM_WEIGHTS.holds(subject) else HALF_MODEL
    assert_close(half, single, tolerance, "scores of a bfloat16 model beside its float32 copy")
