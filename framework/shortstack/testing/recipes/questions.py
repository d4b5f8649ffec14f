"""Recipes for the questions to a selection strategy: scores, and a model that is a table of losses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
from hypothesis import strategies as st

from shortstack.config.budget import Budget, Cost
from shortstack.selection.strategies import Question

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True)
class TableProbe:
    """Model of two examples whose loss without some layers is a sum over a table.

    Attributes:
        losses: Increase of the mean loss when each layer is left out.
        neighbours: Further increase for every two adjacent layers that are left out.
    """

    losses: tuple[float, ...]
    neighbours: float = 0.0

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.losses)

    @property
    def examples(self) -> int:
        """Number of examples: 2."""
        return 2

    def few(self, examples: int) -> "TableProbe":  # noqa: ARG002 -- the protocol's signature
        """Return the probe itself: each of its two examples gives the same result as both."""
        return self

    def log_probability(self, *, skip: Sequence[int] = ()) -> "Tensor":
        """Return float64 ``(2,)``: the negative loss plus a half, and minus a half.

        Raises:
            ValueError: A layer is skipped twice, or does not exist.
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
    """Recipe for the question to a strategy.

    Attributes:
        scores: One score per layer; higher means keep.
        losses: Increase of the calibration loss when each layer is left out.
        neighbours: Further increase for every two adjacent layers that are left out.

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
        """Model that a strategy may measure."""
        return TableProbe(losses=self.losses, neighbours=self.neighbours)

    def build(self) -> Question:
        """Return the question."""
        return Question(scores=self.scores, probe=self.probe)


@attrs.frozen(kw_only=True)
class ParameterBudget:
    """Recipe for a budget of parameters that any single layer fits.

    Attributes:
        costs: Parameters of each layer, repeated for further layers.
        embeddings: Parameters of embeddings.
        other: Parameters outside the layers that are no embeddings.
        spare: Parameters allowed beyond the largest layer and what is outside the layers.
        body: True to leave embeddings out of the count.

    >>> ParameterBudget(costs=(5, 7), embeddings=10, spare=3, body=True).budget(layers=3)
    Budget(body_parameters=10)
    """

    costs: tuple[int, ...]
    embeddings: int = 0
    other: int = 0
    spare: int = 0
    body: bool = False

    def layer_parameters(self, *, layers: int) -> list[int]:
        """Return the number of parameters of each layer."""
        return [self.costs[layer % len(self.costs)] for layer in range(layers)]

    def spent(self, kept: Sequence[int]) -> int:
        """Return the counted parameters of a student with these layers."""
        inside = sum(self.costs[layer % len(self.costs)] for layer in kept)
        return inside + self.other + (0 if self.body else self.embeddings)

    def allowed(self, *, layers: int) -> int:
        """Return the largest allowed number of counted parameters."""
        return self.spent(()) + max(self.layer_parameters(layers=layers)) + self.spare

    def budget(self, *, layers: int) -> Budget:
        """Return the budget for this number of layers."""
        allowed = self.allowed(layers=layers)
        return Budget(body_parameters=allowed) if self.body else Budget(parameters=allowed)

    def prices(self, *, layers: int) -> dict[str, Any]:
        """Return the remaining arguments of ``AdaptiveLayerSelector.select``."""
        return {"costs": Cost(layers=self.layer_parameters(layers=layers), fixed=self.spent(()))}


QUARTERS = st.integers(-8, 8).map(lambda n: n / 4)
"""Numbers whose small powers and sums are exact in floating point."""


def score_vectors(layers: int) -> st.SearchStrategy[tuple[float, ...]]:
    """Draw one score per layer, from few values, so that ties are frequent."""
    few = st.lists(QUARTERS, min_size=layers, max_size=layers)
    return (few | st.lists(st.sampled_from([0.0, 1.0]), min_size=layers, max_size=layers)).map(tuple)


@st.composite
def layer_questions(draw: st.DrawFn, *, layers: tuple[int, int] | None = None) -> LayerQuestion:
    """Draw scores and losses for the same layers, independently.

    Args:
        draw: Supplied by Hypothesis.
        layers: Smallest and largest number of layers; by default 1 to 9, or 11, whose numbers sort differently as text.
    """
    depth = draw(st.sampled_from([*range(1, 10), 11]) if layers is None else st.integers(*layers))
    return LayerQuestion(
        scores=draw(score_vectors(depth)),
        losses=draw(score_vectors(depth)),
        neighbours=draw(QUARTERS),
    )


def parameter_budgets() -> st.SearchStrategy[ParameterBudget]:
    """Draw budgets of all parameters or of the body, for layers of equal or different cost."""
    return st.builds(
        ParameterBudget,
        costs=st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
        embeddings=st.integers(0, 20),
        other=st.integers(0, 5),
        spare=st.integers(0, 30),
        body=st.booleans(),
    )
