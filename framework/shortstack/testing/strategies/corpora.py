"""Strategies for calibration examples and their batching."""

from hypothesis import strategies as st

from shortstack.testing.recipes.corpora import Batching, Corpus


@st.composite
def corpora(draw: st.DrawFn, *, examples: tuple[int, int] = (1, 6), longest: int = 9) -> Corpus:
    """Draw examples of 3 to ``longest`` tokens, at least one of them labelled.

    Args:
        draw: Supplied by Hypothesis.
        examples: Smallest and largest number of examples.
        longest: Largest number of tokens of an example.
    """
    lengths = draw(st.lists(st.integers(3, longest), min_size=examples[0], max_size=examples[1]).map(tuple))
    some = st.lists(st.integers(0, len(lengths) - 1), max_size=len(lengths) - 1, unique=True)
    return Corpus(
        lengths=lengths,
        supervised=draw(st.sampled_from(["every", "last"])),
        unlabelled=tuple(sorted(draw(some))),
        seed=draw(st.integers(0, 99)),
    )


def batchings(
    *, sides: tuple[str, ...] = ("right", "left"), blanks: tuple[int, int] = (0, 0)
) -> st.SearchStrategy[Batching]:
    """Draw ways to batch examples: sizes, side and width of the padding, order.

    Args:
        sides: Sides on which padding may go.
        blanks: Smallest and largest number of all-padding rows in each batch.
    """
    return st.builds(
        Batching,
        sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
        side=st.sampled_from(sides),
        extra=st.integers(0, 3),
        pad=st.integers(0, 39),
        shuffled=st.none() | st.integers(0, 9),
        blanks=st.integers(*blanks),
    )
