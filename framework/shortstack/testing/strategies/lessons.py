"""Strategies for short trainings."""

from collections.abc import Sequence

from hypothesis import strategies as st

from shortstack.testing.recipes.lessons import Lesson


def lessons(*, widths: Sequence[int] = (8, 16)) -> st.SearchStrategy[Lesson]:
    """Draw teachers of three layers, students with two of them, and eight examples of uneven length.

    Args:
        widths: Widths of the student's states, simplest first; the teacher's are 16 wide.
    """
    lengths = st.permutations([6, 2, 3, 5, 2, 4, 6, 3]).map(tuple)
    return st.builds(
        Lesson,
        kept=st.sampled_from([(0, 2), (1, 2)]),
        width=st.sampled_from(widths),
        lengths=lengths,
        seed=st.integers(0, 99),
    )
