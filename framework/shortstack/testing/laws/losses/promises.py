"""A loss's traits hold: symmetry, an upper bound, a degree of homogeneity."""

import attrs
import torch
from hypothesis import strategies as st

from shortstack.contracts import ModelOutputs
from shortstack.testing.comparing import assert_close, require
from shortstack.testing.law import Condition, law, promises
from shortstack.testing.laws.losses.measuring import answer, everywhere, of_both, slack, tolerance_of
from shortstack.testing.recipes.loss_inputs import LossInputs
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import SCALED

BOUNDED = Condition(words="traits.upper is given", holds=lambda subject: subject.traits.upper is not None)
HOMOGENEOUS = Condition(words="traits.degree is given", holds=lambda subject: subject.traits.degree is not None)


@law("loss", when=promises("symmetric"), inputs=loss_inputs(apart=(1.0, 0.1), widths=((4, 4),), all_kept=True))
def symmetry(subject: Subject, *, inputs: LossInputs) -> None:
    """Exchanging student and teacher leaves the sum."""
    original = inputs.build()
    result = answer(subject, inputs)
    exchanged = answer(subject, inputs, attrs.evolve(original, student=original.teacher, teacher=original.student))
    allowed = int(result.count) * slack(subject, original, result.value.dtype)
    tolerance = attrs.evolve(tolerance_of(result.value), absolute=allowed)
    assert_close(exchanged.value, result.value, tolerance, "the sum with the two models exchanged")


@law("loss", when=BOUNDED, inputs=loss_inputs(rows=(1, 2), tokens=(1, 2), scales=(1.0, 8.0, 30.0)))
def upper_bound(subject: Subject, *, inputs: LossInputs) -> None:
    """No term is above ``traits.upper``, up to rounding."""
    result = answer(subject, inputs)
    most = int(result.count) * (subject.traits.upper + slack(subject, inputs.build(), result.value.dtype))

    require(float(result.value) <= most, f"{float(result.value)!r} over {int(result.count)} terms is above {most!r}")


@law("loss", when=HOMOGENEOUS, inputs=loss_inputs(scales=(1.0, 8.0)), factor=st.sampled_from([0.5, 2.0, 8.0]))
def homogeneity(subject: Subject, *, inputs: LossInputs, factor: float) -> None:
    """Multiplying all outputs of both models by ``c`` multiplies the sum by ``c`` to the power ``traits.degree``."""
    original = inputs.build()

    def scaled(outputs: ModelOutputs) -> ModelOutputs:
        return everywhere(outputs, lambda tensor: factor * tensor)

    expected = answer(subject, inputs).value * factor**subject.traits.degree
    actual = answer(subject, inputs, of_both(original, scaled)).value
    assert_close(actual, expected.to(torch.float64), SCALED, f"the sum of everything times {factor}")
