"""``contrastive`` against loops over tokens in float64."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig

from shortstack.contracts import LossBatch, ModelOutputs
from shortstack.errors import ConfigurationError
from shortstack_losses.contrastive import DESCRIPTOR, Contrastive, ContrastiveSettings, info_nce

MASK = torch.tensor([[True, True, True, False], [False, True, True, True]])
BATCH = LossBatch(labels=torch.zeros(0, dtype=torch.long), mask=MASK)


def config(width):
    """Return a model's config; no weights are made."""
    return LlamaConfig(num_hidden_layers=2, hidden_size=width, num_attention_heads=1, num_key_value_heads=1)


def states(seed, width=6, layers=2):
    """Return random float64 states of every layer."""
    generator = torch.Generator().manual_seed(seed)
    return {i: torch.randn((*MASK.shape, width), generator=generator, dtype=torch.float64) for i in range(layers)}


def measure(loss, student, teacher, module, batch=BATCH):
    """Call the loss on states."""
    return loss(ModelOutputs(states=student), ModelOutputs(states=teacher), batch, module)


def cosine(x, y):
    """Return the cosine of two lists."""
    return sum(a * b for a, b in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y)


@given(st.integers(0, 2**31), st.sampled_from([0.1, 0.5, 2.0]))
def test_equals_loops(seed, t):
    """Each unmasked token of the student's last layer, against all tokens of the teacher's."""
    student, teacher = states(seed), states(seed + 1, layers=3)
    ours, theirs = student[1][MASK].tolist(), teacher[2][MASK].tolist()
    expected = 0.0
    for n, s in enumerate(ours):
        scores = [math.exp(cosine(s, other) / t) for other in theirs]
        expected -= math.log(scores[n] / sum(scores))
    loss = Contrastive(temperature=t)
    module = loss.prepare(config(6), config(6), None)

    assert pytest.approx(expected, rel=1e-9) == measure(loss, student, teacher, module).item()
    assert loss.count(BATCH).item() == 6


@given(st.integers(0, 2**31))
def test_gradient(seed):
    """Backwards is what finite differences say."""
    student, teacher = torch.randn((2, 4, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    assert torch.autograd.gradcheck(
        lambda s: info_nce(s, teacher, 0.5), student.requires_grad_(), eps=1e-6, atol=1e-5, rtol=1e-4
    )


def test_negatives_are_of_the_batch():
    """Two batches together have more negatives than apart, so their loss is more than the sum."""
    student, teacher = torch.randn((2, 6, 3), generator=torch.Generator().manual_seed(0))
    apart = info_nce(student[:3], teacher[:3], 0.1).sum() + info_nce(student[3:], teacher[3:], 0.1).sum()

    assert info_nce(student, teacher, 0.1).sum() > apart + 0.1
    assert not DESCRIPTOR.traits.additive


def test_alone_or_nobody():
    """A token without others costs nothing, and no tokens have no loss; both can be gone back through."""
    for tokens in (1, 0):
        student = torch.ones(tokens, 3, requires_grad=True)
        value = info_nce(student, torch.ones(tokens, 3), 0.1).sum()
        value.backward()

        assert value.item() == 0.0
        assert not student.grad.any()


def test_masked_tokens_have_no_part():
    """Masked tokens are neither asked nor negatives, even if they are not finite."""
    loss = Contrastive(temperature=0.1)
    module = loss.prepare(config(6), config(6), None)
    student, teacher = states(0), states(1)
    expected = measure(loss, student, teacher, module)
    for values in (*student.values(), *teacher.values()):
        values[~MASK] = torch.nan

    assert torch.equal(expected, measure(loss, student, teacher, module))


def test_a_narrower_student_is_projected():
    """The projection is trained; the teacher is a constant."""
    loss = Contrastive(temperature=0.1)
    module = loss.prepare(config(6), config(4), None).double()
    teacher = states(1)
    teacher[1].requires_grad_()
    measure(loss, states(0, width=4), teacher, module).backward()

    assert tuple(module.weight.shape) == (6, 4)
    assert module.weight.grad.any()
    assert teacher[1].grad is None


def test_half_precision_is_computed_in_float32():
    """The terms of bfloat16 states are in float32."""
    assert info_nce(torch.eye(3).bfloat16(), torch.eye(3).bfloat16(), 0.1).dtype == torch.float32


def test_it_needs_a_teacher_states_and_its_module():
    """Each message says what is missing."""
    loss = Contrastive(temperature=0.1)
    with pytest.raises(
        ConfigurationError, match=r"^the loss 'contrastive' compares states with a teacher's, so it needs a teacher$"
    ):
        loss.prepare(None, config(6), None)
    for student, module in ((None, torch.nn.Identity()), (states(0), None)):
        with pytest.raises(TypeError, match=r"^contrastive needs the states of both models and the module that"):
            measure(loss, student, states(1), module)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf")])
def test_temperatures_that_are_none(temperature):
    """A temperature is a finite number above 0."""
    with pytest.raises(ValueError, match=r"'temperature' must be [<>]"):
        ContrastiveSettings(temperature=temperature)


def test_half_precision_is_only_the_states():
    """Under autocast, as a training in bfloat16 runs it, the cosines are those of float32."""
    student, teacher = (states(seed)[0].flatten(0, 1).bfloat16() for seed in (0, 1))
    expected = info_nce(student.double(), teacher.double(), 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        terms = info_nce(student, teacher, 0.1)

    assert terms.dtype == torch.float32
    torch.testing.assert_close(terms.double(), expected, rtol=1e-5, atol=1e-6)
