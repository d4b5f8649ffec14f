"""What a loss's own traits promise: symmetry, a bound, a degree."""

import attrs
import torch
from hypothesis import strategies as st

from shortstack.contracts import ModelOutputs
from shortstack.testing.comparing import assert_close, require
from shortstack.testing.law import Condition, law, promises
from shortstack.testing.laws.losses.measuring import answer, logits_of, of_both, slack, tolerance_of
from shortstack.testing.recipes.loss_inputs import LossInputs
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import SCALED

BOUNDED = Condition(words="traits.upper is given", holds=lambda subject: subject.traits.upper is not None)
HOMOGENEOUS = Condition(words="traits.degree is given", holds=lambda subject: subject.traits.degree is not None)


@law("loss", 48, when=promises("symmetric"), inputs=loss_inputs(apart=(1.0, 0.1), widths=((4, 4),), all_kept=True))
def symmetry(subject: Subject, *, inputs: LossInputs) -> None:
    """The student and the teacher in each other's place have the same sum."""
    given = inputs.build()
    found = answer(subject, inputs)
    exchanged = answer(subject, inputs, attrs.evolve(given, student=given.teacher, teacher=given.student))
    allowed = int(found.count) * slack(subject, given, found.value.dtype)
    tolerance = attrs.evolve(tolerance_of(found.value), absolute=allowed)
    assert_close(exchanged.value, found.value, tolerance, "the sum with the two models exchanged")


@law("loss", 48, when=BOUNDED, inputs=loss_inputs(rows=(1, 2), tokens=(1, 2), scales=(1.0, 8.0, 30.0)))
def upper_bound(subject: Subject, *, inputs: LossInputs) -> None:
    """No term is above ``traits.upper``, but for rounding."""
    found = answer(subject, inputs)
    most = int(found.count) * (subject.traits.upper + slack(subject, inputs.build(), found.value.dtype))

    require(float(found.value) <= most, f"{float(found.value)!r} over {int(found.count)} terms is above {most!r}")


@law("loss", 48, when=HOMOGENEOUS, inputs=loss_inputs(scales=(1.0, 8.0)), factor=st.sampled_from([0.5, 2.0, 8.0]))
def homogeneity(subject: Subject, *, inputs: LossInputs, factor: float) -> None:
    """All that both models give times ``c`` has the sum times ``c`` to the power ``traits.degree``."""
    given = inputs.build()

    def scaled(outputs: ModelOutputs) -> ModelOutputs:
        states = {layer: factor * state for layer, state in (outputs.states or {}).items()}
        return ModelOutputs(logits=factor * logits_of(outputs), states=states)

    expected = answer(subject, inputs).value * factor**subject.traits.degree
    actual = answer(subject, inputs, of_both(given, scaled)).value
    assert_close(actual, expected.to(torch.float64), SCALED, f"the sum of everything times {factor}")
