"""Strategies for the inputs of distillation losses."""

from collections.abc import Sequence
from typing import Final, Literal

from hypothesis import strategies as st

from shortstack.testing.recipes.loss_inputs import LossInputs

_SCALES = (1.0, 0.1, 8.0)

MANY_LAYERS: Final = 12
"""More layers than a teacher has otherwise; their numbers sort differently as text."""


@st.composite
def loss_inputs(
    draw: st.DrawFn,
    *,
    rows: tuple[int, int] = (1, 4),
    tokens: tuple[int, int] = (1, 5),
    candidates: tuple[int, int] = (2, 9),
    scales: Sequence[float] = _SCALES,
    apart: Sequence[float] = (1.0,),
    widths: Sequence[tuple[int, int]] = ((4, 4), (4, 6)),
    dtypes: Sequence[Literal["float64", "float32", "bfloat16"]] = ("float64", "float32"),
    all_kept: bool = False,
) -> LossInputs:
    """Draw batches of a student and a teacher: logits, states, labels and masks; they shrink to one token.

    Args:
        draw: Supplied by Hypothesis.
        rows: Smallest and largest number of rows.
        tokens: Smallest and largest number of tokens of a row.
        candidates: Smallest and largest number of columns of the logits.
        scales: Standard deviations of logits and states.
        apart: Distances of the two models, from 0 to 1.
        widths: Widths of the student's states and of the teacher's.
        dtypes: Types of logits and states.
        all_kept: True if the student has all of the teacher's layers.
    """
    layers = draw(st.sampled_from([1, 2, 3, 4, MANY_LAYERS, MANY_LAYERS]))
    some = st.lists(st.integers(0, layers - 1), min_size=1, unique=True).map(sorted)
    if layers == MANY_LAYERS:  # keep more than ten layers: their numbers sort differently as text ("10" < "2")
        some = st.integers(0, layers - 1).map(lambda dropped: [layer for layer in range(layers) if layer != dropped])
    return LossInputs(
        lengths=draw(st.lists(st.integers(*tokens), min_size=rows[0], max_size=rows[1]).map(tuple)),
        supervised=draw(st.sampled_from(["every", "last"])),
        side=draw(st.sampled_from(["right", "left"])),
        candidates=draw(st.integers(*candidates)),
        kept=tuple(range(layers) if all_kept else draw(some)),
        layers=layers,
        widths=draw(st.sampled_from(widths)),
        scale=draw(st.sampled_from(scales)),
        apart=draw(st.sampled_from(apart)),
        seed=draw(st.integers(0, 999)),
        dtype=draw(st.sampled_from(dtypes)),
    )


def catalogues(
    *, dtypes: Sequence[Literal["float64", "float32", "bfloat16"]] = ("float64", "float32")
) -> st.SearchStrategy[LossInputs]:
    """Draw ``loss_inputs`` with a handful of candidates, or with as many as a catalogue has: more than a thousand."""
    large = loss_inputs(rows=(1, 1), tokens=(1, 2), candidates=(1_025, 1_200), dtypes=dtypes)
    return loss_inputs(dtypes=dtypes) | large


def temperatures(*, high: bool = False) -> st.SearchStrategy[float]:
    """Draw temperatures, as users set them, and any between; 1 first.

    Args:
        high: True to draw up to 1,000 too, where a divergence is nearly a squared distance.
    """
    return st.sampled_from([1.0, 2.0, 0.5, 4.0, 10.0, *((100.0, 1000.0) if high else ())]) | st.floats(0.3, 12.0)
