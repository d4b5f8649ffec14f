"""Thread-local draws leave the global random state alone, while other threads draw from it."""

import threading

import pytest
import torch
from torch import nn

from shortstack import build_student
from shortstack.models.thread_generator import thread_generator
from shortstack.testing.recipes.models import TinyModel


def draw():
    """Draw numbers in every way that torch offers."""
    layer = nn.Linear(3, 2)
    return [
        layer.weight.detach(),
        *(torch.rand(3), torch.randn(3), torch.randn(2, 3, dtype=torch.float64), torch.randint(9, (4,)), torch.randint(2, 9, (4,))),
        *(torch.randperm(7), torch.rand_like(layer.bias), torch.randn_like(layer.bias), torch.randint_like(layer.bias, 9)),
        *(torch.bernoulli(torch.full((5,), 0.5)), torch.multinomial(torch.ones(5), 3), torch.normal(torch.zeros(3), 1.0)),
        *(nn.init.trunc_normal_(torch.empty(4)), torch.empty(3).exponential_(), torch.empty(3).uniform_(1, 2)),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [None, 7])
def test_the_same_numbers_and_another_state(seed):
    """Draws are those of the global state, or of the seed; the global state is unchanged."""
    torch.manual_seed(3 if seed is None else seed)
    expected = draw()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with thread_generator(seed):
        drawn = draw()

    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(actual, other) for actual, other in zip(drawn, expected, strict=True))


def test_a_generator_of_ones_own_is_used():
    """An explicit generator is used as given."""
    with thread_generator(1):
        drawn = torch.rand(3, generator=torch.Generator().manual_seed(2))

    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(2)))


def test_students_are_built_beside_a_thread_that_draws():
    """A concurrent thread draws what it would have drawn alone, without repeats."""
    teacher = TinyModel(family="llama", layers=3, dtype="float32").build()
    torch.manual_seed(5)
    expected = torch.rand(400)
    torch.manual_seed(5)
    built = threading.Thread(target=lambda: [build_student(teacher, [0, 2]) for _ in range(3)])
    built.start()
    drawn = []
    while built.is_alive() and len(drawn) < len(expected):
        drawn.append(torch.rand(1, dtype=torch.float32))
        built.join(0.002)
    built.join()

    assert len(drawn) > 10
    assert torch.equal(torch.cat(drawn), expected[: len(drawn)])
