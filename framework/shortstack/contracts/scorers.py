"""What an importance scorer is: a fold over signals, a probe of the model, or a fusion of other scores."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import attrs

if TYPE_CHECKING:
    from torch import Tensor, nn

State = TypeVar("State")


class Signal(Enum):
    """What one sweep can tell about one layer and one batch.

    Attributes:
        STATES: The layer's ``input`` and ``output``.
        GRADIENTS: ``gradient``: of the log-probability, at the layer's output.
        PARAMETER_GRADIENTS: ``squared_parameter_gradients``: squared norms, one an example.
        ATTENTION: ``attention`` and ``visible``: the map, handed over inside the attention call.
    """

    STATES = "states"
    GRADIENTS = "gradients"
    PARAMETER_GRADIENTS = "parameter-gradients"
    ATTENTION = "attention"


@attrs.frozen(kw_only=True, eq=False)
class Importance:
    """One score a layer; higher means keep.

    Attributes:
        scores: float64, shape ``(layers,)``, on the CPU.
        examples: How many calibration examples were seen; 0 for scores read off the weights.
        details: What else the scorer wants recorded, for example fitted weights.
    """

    scores: "Tensor"
    examples: int
    details: Mapping[str, float] = attrs.field(factory=dict)


class LayerSignals(Protocol):
    """The signals of one layer and one batch; asking for one that was not declared raises.

    Shapes: B examples, T tokens, H hidden, A attention heads. Floating tensors are float32, or float64 for a
    float64 model. ``gradient`` and ``squared_parameter_gradients`` are of each example's log-probability ``ℓ_n``. The tensors
    are the model's own, and other scorers read them too: nothing may be changed in place.
    """

    @property
    def layer(self) -> int:
        """The layer's index, 0 nearest the embeddings."""

    @property
    def mask(self) -> "Tensor":
        """Bool ``(B, T)``: False where the token is padding."""

    @property
    def supervised(self) -> "Tensor":
        """Bool ``(B,)``: whether the example has a label; those without contribute nothing to gradient scores."""

    @property
    def input(self) -> "Tensor":
        """``(B, T, H)``: the hidden states that enter the layer."""

    @property
    def output(self) -> "Tensor":
        """``(B, T, H)``: the hidden states that leave it, before any final norm."""

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
        """Bool, broadcastable to ``attention``: whether the query may see the key; comes with the signal ATTENTION."""


class DecoderLayers(Protocol):
    """A decoder seen as layers: what a scorer may read before any data, and must leave as it is."""

    @property
    def layers(self) -> "Sequence[nn.Module]":
        """The decoder blocks, index 0 nearest the embeddings."""


@runtime_checkable
class FoldScorer(Protocol[State]):
    """A score that is a fold over signals: one pass, any batch size, streaming and mergeable.

    The state holds tensors and plain values only, and is never changed in place by ``update`` or ``merge``'s caller.

    Attributes:
        needs: The signals that ``update`` reads; asking for another raises. Empty for a score read off the weights.
    """

    needs: frozenset[Signal]

    def start(self, model: DecoderLayers) -> State:
        """The state before any data: the unit of ``merge``."""

    def update(self, state: State, signals: LayerSignals) -> State:
        """The state after one more layer of one more batch; layers arrive in any order, once a batch."""

    def merge(self, left: State, right: State) -> State:
        """The state after both parts of the data."""

    def finish(self, state: State) -> Importance:
        """The scores."""


class Probe(Protocol):
    """Repeatable access to the model on the calibration examples, for scorers that need more than one pass."""

    @property
    def layers(self) -> int:
        """How many layers the model has."""

    @property
    def examples(self) -> int:
        """How many supervised calibration examples there are."""

    def log_probability(self, *, skip: Sequence[int] = ()) -> "Tensor":
        """float64 ``(examples,)``: each example's log-probability when the layers in ``skip`` are left out."""

    def few(self, examples: int) -> "Probe":
        """The same access to the first ``examples`` supervised examples alone, or to all if there are no more."""


@runtime_checkable
class ProbeScorer(Protocol):
    """A score that needs the model itself: several passes, the oracle."""

    def measure(self, probe: Probe) -> Importance:
        """The scores."""


@runtime_checkable
class DerivedScorer(Protocol):
    """A score made from other scorers' results.

    Attributes:
        needs_scores: Names of the scorers whose results ``combine`` takes, short or full.
    """

    needs_scores: tuple[str, ...]

    def combine(self, scores: Mapping[str, Importance], probe: Probe) -> Importance:
        """The fused scores; ``scores`` holds every name in ``needs_scores``, in that order, and no other."""


Scorer = FoldScorer[object] | ProbeScorer | DerivedScorer
