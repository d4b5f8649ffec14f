"""What distillation losses are given."""

from collections.abc import Sequence
from typing import Final, Literal

from hypothesis import strategies as st

from shortstack.testing.recipes.loss_inputs import LossInputs

_SCALES = (1.0, 0.1, 8.0)

MANY_LAYERS: Final = 12
"""More layers than a teacher has otherwise."""


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
    """Batches of a student and a teacher: logits, states, labels and masks; they shrink to one token.

    Args:
        draw: Given by Hypothesis.
        rows: The least and the most rows.
        tokens: The least and the most tokens of a row.
        candidates: The least and the most columns of the logits.
        scales: Standard deviations of logits and states.
        apart: How far the two models are from each other, from 0 to 1.
        widths: Widths of the student's states and of the teacher's.
        dtypes: Types of logits and states.
        all_kept: Whether the student has all of the teacher's layers.
    """
    layers = draw(st.sampled_from([1, 2, 3, 4, MANY_LAYERS, MANY_LAYERS]))
    some = st.lists(st.integers(0, layers - 1), min_size=1, unique=True).map(sorted)
    if layers == MANY_LAYERS:  # more than ten stay, whose numbers sort otherwise as text
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
    """``loss_inputs`` with a handful of candidates, or with as many as a catalogue has: more than a thousand."""
    large = loss_inputs(rows=(1, 1), tokens=(1, 2), candidates=(1_025, 1_200), dtypes=dtypes)
    return loss_inputs(dtypes=dtypes) | large


def temperatures(*, high: bool = False) -> st.SearchStrategy[float]:
    """Temperatures, as users set them, and any between; 1 first.

    Args:
        high: Whether those up to 1,000 are drawn too, at which a divergence is all but a squared distance.
    """
    return st.sampled_from([1.0, 2.0, 0.5, 4.0, 10.0, *((100.0, 1000.0) if high else ())]) | st.floats(0.3, 12.0)
