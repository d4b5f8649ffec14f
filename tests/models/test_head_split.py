"""Body and head of every family together give the model's own logits."""

import copy

import pytest
import torch
from students.tiny_families import NoTinyModelError, model_types, tiny_teacher
from torch.utils._python_dispatch import TorchDispatchMode

from shortstack.models.candidates import candidate_logits
from shortstack.models.head_split import Head, final_states, has_head

QUICK = (
    "bert",
    "bloom",
    "cohere",
    "gemma2",
    "gpt2",
    "granite",
    "llama",
    "llama4_text",
    "mamba",
    "mixtral",
    "modernbert-decoder",
    "opt",
)
WITHOUT = ("hrm_text", "longcat_flash", "prophetnet", "xlm")
"""Families whose logits are not a function of one position's final state, or whose layers cannot be told."""

IDS = torch.tensor([[5, 6, 7, 8, 9, 4], [9, 8, 7, 0, 0, 0]])
MASK = (IDS > 0).long()
POSITIONS = torch.tensor([[0, 1, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0]]).bool()
CANDIDATES = torch.tensor([7, 3, 21, 4])


def check(model):
    """Compare logits of final states, row by row, with those of the whole model."""
    for candidates in (CANDIDATES, None):
        assert has_head(model, candidates)
        with torch.no_grad():
            expected = candidate_logits(model, IDS, MASK, POSITIONS, candidates)
            states, head = final_states(model, IDS, MASK, POSITIONS), Head(model, candidates)
            logits = torch.cat([head(row[None]) for row in states])
        torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
        assert head.candidates == logits.shape[1]


@pytest.mark.parametrize("family", QUICK)
def test_a_familys_head(family):
    """Norms, transforms, scales and soft caps after the body belong to the head."""
    check(tiny_teacher(family))


@pytest.mark.full
@pytest.mark.parametrize("family", [name for name in model_types() if name not in QUICK + WITHOUT])
def test_every_familys_head(family):
    """The same for all families that can be built small."""
    try:
        model = tiny_teacher(family)
    except NoTinyModelError:
        pytest.skip("no tiny model")
    check(model)


@pytest.mark.parametrize("family", WITHOUT)
def test_families_without_such_a_head_are_known_as_such(family):
    """They are trained with all logits at once."""
    assert not has_head(tiny_teacher(family), None)


def test_weights_of_the_head_are_those_with_a_gradient():
    """The logits depend on the rows of the candidates, and on no weight that is not named."""
    model = copy.deepcopy(tiny_teacher("bert"))
    states = torch.randn(3, 32)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    head = Head(model, None)
    head(states).sum().backward()
    learnt = {id(p) for p in model.parameters() if p.grad is not None}
    assert learnt <= {id(weight) for weight in head.weights}


class Conversions(TorchDispatchMode):
    """Records the shapes of all tensors that are converted to another type."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Record a conversion."""
        if func is torch.ops.aten._to_copy.default:
            self.shapes.append(tuple(args[0].shape))
        return func(*args, **kwargs or {})


def test_final_states_convert_no_output_matrix():
    """Autocast would convert the matrix of 49 k rows, to compute the logits of no position."""
    model = tiny_teacher("llama")
    with torch.autocast("cpu", torch.bfloat16), Conversions() as seen:
        final_states(model, IDS, MASK, POSITIONS)

    assert seen.shapes
    assert tuple(model.lm_head.weight.shape) not in seen.shapes
