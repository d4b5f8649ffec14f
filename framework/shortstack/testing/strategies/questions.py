"""Strategies for the questions to selection strategies: scores with many ties, tables of losses, parameter budgets."""

from hypothesis import strategies as st

from shortstack.testing.recipes.questions import LayerQuestion, ParameterBudget

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
