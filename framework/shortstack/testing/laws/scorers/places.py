"""A score belongs to its layer, wherever the layer stands."""

import attrs
import torch
from hypothesis import strategies as st
from torch import Tensor

from shortstack.models.decoder import Decoder
from shortstack.testing.law import Condition, law, promises
from shortstack.testing.laws.scorers.measuring import one_batch, require_same, scores
from shortstack.testing.recipes.corpora import Corpus
from shortstack.testing.recipes.models import TinyModel
from shortstack.testing.strategies import corpora, models
from shortstack.testing.subject import Subject

DEEP = models(layers=(4, 6), dtypes=("float64",)) | models(layers=(13, 14), dtypes=("float64",))
"""Models with layers to move; also some with more than ten, whose numbers sort differently as text, and more than
twelve, as many as the smallest models in use have.
twelve, as many as the smallest models in use have."""
NOT_RANKED = Condition(
    words="traits.local and not traits.rank_valued",
    holds=lambda subject: subject.traits.local and not subject.traits.rank_valued,
)


@law(
    "scorer",
    when=promises("local"),
    examples=6,
    model=DEEP,
    corpus=corpora(examples=(1, 3)),
    seed=st.integers(0, 9),
)
def exchanged_layers(subject: Subject, *, model: TinyModel, corpus: Corpus, seed: int) -> None:
    """If no layer changes the states, layers that exchange places keep their scores.

    The same states enter each of them then, and the same gradients come back.
    """
    order = torch.randperm(model.layers, generator=torch.Generator().manual_seed(seed)).tolist()
    before, after = _moved(subject, model, corpus, order, active=None)

    require_same(subject, model, after, before[order], f"scores of the layers in the order {order}")


@law(
    "scorer",
    when=NOT_RANKED,
    examples=6,
    model=DEEP,
    corpus=corpora(examples=(1, 3)),
    start=st.integers(0, 9),
    steps=st.integers(1, 9),
)
def moved_layer(subject: Subject, *, model: TinyModel, corpus: Corpus, start: int, steps: int) -> None:
    """If a single layer changes the states, it keeps its score when it is moved.

    The layers below both of its places, and those above both, keep theirs too: their inputs are unchanged.
    """
    inner = range(1, model.layers - 1)
    start, end = inner[start % len(inner)], inner[(start + 1 + steps % (len(inner) - 1)) % len(inner)]
    order = list(range(model.layers))
    order.insert(end, order.pop(start))
    before, after = _moved(subject, model, corpus, order, active=start)
    same = [layer for layer in range(model.layers) if not min(start, end) <= layer <= max(start, end)]
    actual, expected = after[[*same, end]], before[[*same, start]]

    require_same(subject, model, actual, expected, f"scores of layers {same}, and of layer {start} moved to {end}")


def _moved(
    subject: Subject, recipe: TinyModel, corpus: Corpus, order: list[int], active: int | None
) -> tuple[Tensor, Tensor]:
    """Return the scores of a model, and of its layers in another order, where at most one layer changes the states."""
    idle = attrs.evolve(recipe, idle=tuple(layer for layer in range(recipe.layers) if layer != active))
    original, moved = idle.build(), idle.build()
    for layer, number in zip(Decoder.of(moved).layers, order, strict=True):
        layer.load_state_dict(Decoder.of(original).layers[number].state_dict())
    before, after = (scores(subject, each, one_batch(corpus)) for each in (original, moved))
    return before, after
