"""The contract of importance scorers: a fold over signals, a probe of the model, or a fusion of other scores."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import attrs

from shortstack.html_table import table_of_values

if TYPE_CHECKING:
    from torch import Tensor, nn

State = TypeVar("State")


class Signal(Enum):
    """Signal that one sweep can observe for one layer and one batch.

    Attributes:
        STATES: The layer's ``input`` and ``output``.
        GRADIENTS: ``gradient``: the log-probability's, at the layer's output.
        PARAMETER_GRADIENTS: ``squared_parameter_gradients``: squared norms, one per example.
        ATTENTION: ``attention`` and ``visible``: the attention weights and mask, observed inside the attention call.
    """

    STATES = "states"
    GRADIENTS = "gradients"
    PARAMETER_GRADIENTS = "parameter-gradients"
    ATTENTION = "attention"


@attrs.frozen(kw_only=True, eq=False)
class Importance:
    """Importance of the layers, one score each; higher means keep.

    Attributes:
        scores: float64, shape ``(layers,)``, on the CPU.
        examples: Number of calibration examples; 0 for scores computed from weights alone.
        details: Further values to record, for example fitted weights.
    """

    scores: "Tensor"
    examples: int
    details: Mapping[str, float] = attrs.field(factory=dict)

    def _repr_html_(self) -> str:
        """Return a small table for a notebook: each layer's score."""
        scores = self.scores.tolist()
        return table_of_values(("layer", *range(len(scores))), [("score", *(f"{score:.4g}" for score in scores))])


class LayerSignals(Protocol):
    """Signals of one layer and one batch; reading one that was not declared raises.

    Shapes: B examples, T tokens, H hidden, A attention heads. Floating tensors are float32, or float64 for a
    float64 model. ``gradient`` and ``squared_parameter_gradients`` are of each example's log-probability ``ℓ_n``. The
    tensors are the model's own, and other scorers read them too: do not change them in place.
    """

    @property
    def layer(self) -> int:
        """The layer's index, 0 nearest the embeddings."""

    @property
    def mask(self) -> "Tensor":
        """Bool ``(B, T)``: False where the token is padding."""

    @property
    def supervised(self) -> "Tensor":
        """Bool ``(B,)``: True if the example has a label; others contribute nothing to gradient scores."""

    @property
    def input(self) -> "Tensor":
        """``(B, T, H)``: the hidden states that enter the layer."""

    @property
    def output(self) -> "Tensor":
        """``(B, T, H)``: the hidden states that leave the layer, before any final norm."""

    @property
    def gradient(self) -> "Tensor":
        """``(B, T, H)``: ``∂ℓ_n/∂output``."""

    @property
    def squared_parameter_gradients(self) -> "Tensor":
        """float64 ``(B,)``: ``Σ_{w∈layer} (∂ℓ_n/∂w)²`` for each example, over all parameters of the layer."""

    @property
    def attention(self) -> "Tensor":
        """``(B, A, T, T)``: attention weights, rows are queries; rows of padding are meaningless."""

    @property
    def visible(self) -> "Tensor":
        """Bool, broadcastable to ``attention``: True if the query may see the key; comes with the signal ATTENTION."""


class DecoderLayers(Protocol):
    """Decoder seen as layers, which a scorer may read before any data and must not change."""

    @property
    def layers(self) -> "Sequence[nn.Module]":
        """The decoder blocks, index 0 nearest the embeddings."""


@runtime_checkable
class FoldScorer(Protocol[State]):
    """Scorer that is a fold over signals: one pass, any batch size, streaming and mergeable.

    The state holds tensors and plain values only, and is never changed in place by ``update`` or ``merge``'s caller.

    Attributes:
        needs: The signals that ``update`` reads; reading another raises. Empty for scores computed from weights alone.
    """

    needs: frozenset[Signal]

    def start(self, model: DecoderLayers) -> State:
        """Return the state before any data, the neutral element of ``merge``."""

    def update(self, state: State, signals: LayerSignals) -> State:
        """Return the state after one layer of one batch; layers arrive in any order, once per batch."""

    def merge(self, left: State, right: State) -> State:
        """Return the state after both parts of the data."""

    def finish(self, state: State) -> Importance:
        """Return the scores."""


class Probe(Protocol):
    """Repeatable access to the model on the calibration examples, for scorers that need more than one pass."""

    @property
    def layers(self) -> int:
        """Number of layers of the model."""

    @property
    def examples(self) -> int:
        """Number of supervised calibration examples."""

    def log_probability(self, *, skip: Sequence[int] = ()) -> "Tensor":
        """Return float64 ``(examples,)``: each example's log-probability without the layers in ``skip``."""

    def few(self, examples: int) -> "Probe":
        """Return the same access to the first ``examples`` supervised examples, or to all if there are no more."""


@runtime_checkable
class ProbeScorer(Protocol):
    """Scorer that needs the model itself, for several passes; the oracle is one."""

    def measure(self, probe: Probe) -> Importance:
        """Return the scores."""


@runtime_checkable
class DerivedScorer(Protocol):
    """Scorer that combines other scorers' results.

    Attributes:
        needs_scores: Short or full names of the scorers whose results ``combine`` takes.
    """

    needs_scores: tuple[str, ...]

    def combine(self, scores: Mapping[str, Importance], probe: Probe) -> Importance:
        """Return the fused scores; ``scores`` holds exactly the names in ``needs_scores``, in that order."""


Scorer = FoldScorer[object] | ProbeScorer | DerivedScorer
