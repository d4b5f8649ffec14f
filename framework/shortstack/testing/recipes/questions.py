"""What a selection strategy is asked: scores, and a model that is a table of losses; made from a recipe."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.config.budget import Budget, Cost
from shortstack.selection.strategies import Question

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True)
class TableProbe:
    """A model of two examples whose loss without some layers is a sum.

    Attributes:
        losses: What leaving out each layer adds to the mean loss.
        neighbours: What leaving out two layers in a row adds besides.
    """

    losses: tuple[float, ...]
    neighbours: float = 0.0

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self.losses)

    @property
    def examples(self) -> int:
        """Two."""
        return 2

    def few(self, examples: int) -> "TableProbe":  # noqa: ARG002 -- both are one kind
        """The same two: each is as good as both."""
        return self

    def log_probability(self, *, skip: Sequence[int] = ()) -> "Tensor":
        """float64 ``(2,)``: half above minus the loss, and half below.

        Raises:
            ValueError: A layer is skipped twice, or is not there.
        """
        import torch

        out = set(skip)
        if len(out) != len(skip) or not out <= set(range(self.layers)):
            raise ValueError(f"skip must be distinct layers of 0 … {self.layers - 1}, got {list(skip)}")
        loss = 1.0 + sum(self.losses[layer] for layer in out)
        loss += self.neighbours * sum(layer + 1 in out for layer in out)
        return torch.tensor([0.5 - loss, -0.5 - loss], dtype=torch.float64)


@attrs.frozen(kw_only=True)
class LayerQuestion:
    """A recipe for what a strategy is asked.

    Attributes:
        scores: One a layer; higher means keep.
        losses: What leaving out each layer adds to the calibration loss.
        neighbours: What leaving out two layers in a row adds besides.

    >>> LayerQuestion(scores=(0.5, 0.25), losses=(1.0, 2.0)).build().layers
    2
    """

    scores: tuple[float, ...]
    losses: tuple[float, ...]
    neighbours: float = 0.0

    def __attrs_post_init__(self) -> None:
        if len(self.scores) != len(self.losses):
            raise ValueError(f"{len(self.scores)} scores but {len(self.losses)} losses; both must be one a layer")

    @property
    def probe(self) -> TableProbe:
        """The model that a strategy may measure."""
        return TableProbe(losses=self.losses, neighbours=self.neighbours)

    def build(self) -> Question:
        """The question."""
        return Question(scores=self.scores, probe=self.probe)


@attrs.frozen(kw_only=True)
class ParameterBudget:
    """A recipe for a budget of parameters that any one layer fits.

    Attributes:
        costs: Parameters of each layer, over and over until all layers have some.
        embeddings: Parameters of embeddings.
        other: Parameters outside the layers that are no embeddings.
        spare: How many parameters may stay beside the dearest layer and what is outside the layers.
        body: Whether embeddings are left out of the count.

    >>> ParameterBudget(costs=(5, 7), embeddings=10, spare=3, body=True).budget(layers=3)
    Budget(body_parameters=10)
    """

    costs: tuple[int, ...]
    embeddings: int = 0
    other: int = 0
    spare: int = 0
    body: bool = False

    def layer_parameters(self, *, layers: int) -> list[int]:
        """Parameters of each layer."""
        return [self.costs[layer % len(self.costs)] for layer in range(layers)]

    def spent(self, kept: Sequence[int]) -> int:
        """Parameters that count, of a student with these layers."""
        inside = sum(self.costs[layer % len(self.costs)] for layer in kept)
        return inside + self.other + (0 if self.body else self.embeddings)

    def allowed(self, *, layers: int) -> int:
        """The most parameters that count."""
        return self.spent(()) + max(self.layer_parameters(layers=layers)) + self.spare

    def budget(self, *, layers: int) -> Budget:
        """The budget for so many layers."""
        allowed = self.allowed(layers=layers)
        return Budget(body_parameters=allowed) if self.body else Budget(parameters=allowed)

    def prices(self, *, layers: int) -> dict[str, Any]:
        """What ``AdaptiveLayerSelector.select`` has to be told besides."""
        return {"costs": Cost(layers=self.layer_parameters(layers=layers), fixed=self.spent(()))}
