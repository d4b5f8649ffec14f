"""``linear-cka``: dissimilarity of a layer's output and input, as representations of the same tokens.

Source: Kornblith, Norouzi, Lee & Hinton 2019, "Similarity of Neural Network Representations Revisited",
arXiv 1905.00414.
"""

from collections.abc import Iterator, Mapping

import attrs

from shortstack.contracts import DecoderLayers, Importance, LayerSignals, ScorerDescriptor, ScorerTraits, Signal
from shortstack.errors import EmptyDataError
from shortstack.hooks import hookimpl
from shortstack_linear_cka.moments import Moments, dissimilarity, merged, moments_of


@attrs.frozen(kw_only=True, eq=False)
class LayersSeen:
    """Moments of the tokens of each layer so far; layers without any yet are missing.

    Attributes:
        layers: Number of the model's layers.
        moments: Layer → moments of its tokens, input and output concatenated.
        examples: Layer → number of examples with a token.
    """

    layers: int
    moments: Mapping[int, Moments] = attrs.field(factory=dict)
    examples: Mapping[int, int] = attrs.field(factory=dict)


@attrs.frozen
class LinearCka:
    """``1 − CKA(X, Y)`` of a layer's input ``X`` and output ``Y``, one row per token, over all tokens."""

    needs = frozenset({Signal.STATES})

    def start(self, model: DecoderLayers) -> LayersSeen:
        """Return the state without tokens: the identity of ``merge``."""
        return LayersSeen(layers=len(model.layers))

    def update(self, state: LayersSeen, signals: LayerSignals) -> LayersSeen:
        """Return the state after a further layer of a batch."""
        new = LayersSeen(
            layers=state.layers,
            moments={signals.layer: moments_of(signals.input[signals.mask], signals.output[signals.mask])},
            examples={signals.layer: int(signals.mask.any(-1).sum())},
        )
        return self.merge(state, new)

    def merge(self, left: LayersSeen, right: LayersSeen) -> LayersSeen:
        """Return the state after both parts of the data."""
        both = {
            layer: merged(left.moments[layer], right.moments[layer]) for layer in left.moments.keys() & right.moments
        }
        counts = {
            layer: left.examples[layer] + right.examples[layer] for layer in left.examples.keys() & right.examples
        }
        return LayersSeen(
            layers=left.layers,
            moments={**left.moments, **right.moments, **both},
            examples={**left.examples, **right.examples, **counts},
        )

    def finish(self, state: LayersSeen) -> Importance:
        """Return the score of each layer.

        Raises:
            EmptyDataError: A layer has no tokens.
        """
        import torch

        seen = [state.moments.get(layer) for layer in range(state.layers)]
        scores = [dissimilarity(moments) for moments in seen if moments is not None and moments.tokens]
        if len(scores) < state.layers:
            raise EmptyDataError("the calibration examples have no tokens, so there is nothing to compare; give more")
        return Importance(scores=torch.tensor(scores, dtype=torch.float64), examples=max(state.examples.values()))


DESCRIPTOR = ScorerDescriptor(
    name="linear-cka",
    summary="How little a layer's output resembles its input: 1 − linear CKA over all tokens.",
    build=lambda _settings: LinearCka(),
    reference="Kornblith et al. 2019, arXiv 1905.00414",
    traits=ScorerTraits(
        lower=0.0, upper=1.0, averages_over="tokens", needs_labels=False, identity_is_zero=True, function_only=True
    ),
)


@hookimpl
def shortstack_importance_scorers() -> Iterator[ScorerDescriptor]:
    """Yield the scorer."""
    yield DESCRIPTOR
