"""Divergences at every temperature; the forward one against SciPy, its gradient's formula, and its limit."""

import attrs
import torch
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax
from torch import Tensor

from shortstack.contracts import ModelOutputs
from shortstack.testing.comparing import assert_close, require
from shortstack.testing.law import Condition, law, promises
from shortstack.testing.laws.losses.measuring import (
    answer,
    at_temperature,
    logits_of,
    of_both,
    slack,
    tolerance_of,
    with_logits,
)
from shortstack.testing.recipes.loss_inputs import LossInputs, catalogues
from shortstack.testing.strategies import loss_inputs, temperatures
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import A_TERM, CANCELLED, SCALED

FORWARD_KL = promises("forward_kl")
TEMPERED = Condition(
    words="traits.distribution, and a setting temperature",
    holds=lambda subject: subject.traits.distribution and at_temperature(subject, 1.0) is not subject,
)


@law("loss", when=TEMPERED, inputs=loss_inputs(dtypes=("float64",)), temperature=st.sampled_from([2.0, 0.5, 2.5]))
def divided_logits(subject: Subject, *, inputs: LossInputs, temperature: float) -> None:
    """Logits times T at the temperature T give the sum that the logits give at 1, times one factor for all logits."""
    batches = [attrs.evolve(inputs, seed=seed, scale=1.0).build() for seed in (inputs.seed, inputs.seed + 1)]
    plain, tempered = at_temperature(subject, 1.0), at_temperature(subject, temperature)
    first, second = (answer(plain, inputs, batch).value for batch in batches)
    larger = [with_logits(batch, lambda logits: temperature * logits) for batch in batches]
    first_larger, second_larger = (answer(tempered, inputs, batch).value for batch in larger)

    what = f"the sum of logits times {temperature} at T = {temperature}, beside that of other logits"
    assert_close(first_larger * second, second_larger * first, SCALED, what)


@law("loss", when=FORWARD_KL, inputs=catalogues())
def normalisation(subject: Subject, *, inputs: LossInputs) -> None:
    """Sum over count is ``mean_n Σ_v p log(p / q)`` over the supervised positions, at T = 1, as SciPy computes it."""
    plain, original = at_temperature(subject, 1.0), inputs.build()
    result = answer(plain, inputs)
    q, p = (softmax(logits_of(o).double().numpy(), axis=-1) for o in (original.student, original.teacher))
    expected = torch.tensor(rel_entr(p, q).sum(-1).mean(), dtype=torch.float64)

    tolerance = attrs.evolve(tolerance_of(result.value), absolute=slack(plain, original, result.value.dtype))
    assert_close(result.value / result.count, expected, tolerance, "sum over count")


@law("loss", when=FORWARD_KL, inputs=catalogues(dtypes=("float64",)), temperature=temperatures())
def tempered_gradient(subject: Subject, *, inputs: LossInputs, temperature: float) -> None:
    """The gradient with respect to the student's logits is ``T (q_T − p_T)``, at every temperature."""
    tempered, original = at_temperature(subject, temperature), inputs.build()
    t = 1.0 if tempered is subject else temperature
    result = answer(tempered, inputs)
    q, p = (torch.softmax(logits_of(outputs) / t, -1) for outputs in (original.student, original.teacher))

    tolerance = attrs.evolve(tolerance_of(result.value), absolute=slack(tempered, original, result.value.dtype))
    assert_close(result.gradients["logits"], t * (q - p), tolerance, f"the gradient at T = {t}")


@law(
    "loss",
    when=FORWARD_KL,
    inputs=loss_inputs(dtypes=("float64",), scales=(1.0, 0.1)),
    temperature=temperatures(high=True),
)
def high_temperature(subject: Subject, *, inputs: LossInputs, temperature: float) -> None:
    """At high temperatures the sum is half the variance of the difference of the logits, up to ``O(1/T)``.

    With ``R`` the largest centred logit and ``R ≤ T/2``, each term is within ``R³/T`` of ``‖d − d̄‖² / 2|V|``.
    """
    tempered = at_temperature(subject, temperature)
    t = 1.0 if tempered is subject else temperature
    original = of_both(inputs.build(), lambda outputs: attrs.evolve(outputs, logits=_small(logits_of(outputs), t / 2)))
    result = answer(tempered, inputs, original)
    ours, theirs = _centred(original.student), _centred(original.teacher)
    limit = (ours - theirs).square().sum() / (2 * inputs.candidates)
    largest = float(torch.stack([ours, theirs]).abs().max())
    dtype = "float64" if result.value.dtype == torch.float64 else "float32"
    allowed = int(result.count) * (largest**3 / t + A_TERM[dtype] + CANCELLED[dtype] * t**2)

    apart = abs(float(result.value - limit))
    require(
        apart <= allowed, f"{float(result.value)!r} at T = {t} is {apart:.3g} from the limit; tolerated {allowed:.3g}"
    )


@law("loss", when=FORWARD_KL, inputs=loss_inputs(dtypes=("float64",)))
def cross_entropy_gradient(subject: Subject, *, inputs: LossInputs) -> None:
    """The gradient equals that of the cross-entropy ``−Σ_v p log q``, at T = 1: the teacher's entropy is a constant."""
    plain, original = at_temperature(subject, 1.0), inputs.build()
    logits = logits_of(original.student).clone().requires_grad_()
    p = torch.softmax(logits_of(original.teacher), -1)
    torch.nn.functional.cross_entropy(logits, p, reduction="sum").backward()
    result = answer(plain, inputs)

    tolerance = attrs.evolve(tolerance_of(result.value), absolute=slack(plain, original, result.value.dtype))
    expected = torch.zeros_like(logits) if logits.grad is None else logits.grad
    assert_close(result.gradients["logits"], expected, tolerance, "the gradient")


def _centred(outputs: ModelOutputs) -> Tensor:
    logits = logits_of(outputs)
    return logits - logits.mean(-1, keepdim=True)


def _small(logits: Tensor, most: float) -> Tensor:
    """Return the logits, scaled down where a centred one exceeds ``most``."""
    largest = float((logits - logits.mean(-1, keepdim=True)).abs().max())
    return logits * min(1.0, most / largest)
