"""Candidate logits are the model's own, of every family, and reading them writes nothing into the model."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from students.tiny_families import NoTinyModelError, model_types, tiny_teacher
from torch import nn

from shortstack.models.candidates import OutputRows, candidate_logits
from shortstack.models.decoder import model_inputs
from shortstack.models.frozen import frozen_copy

QUICK = (
    "bert", "bloom", "cohere", "gemma2", "gpt2", "gptj", "granite", "llama", "mamba", "mixtral", "nanochat", "openai-gpt", "opt",
    "recurrent_gemma", "rwkv", "xglm",
)  # fmt: skip
"""Scaled and capped logits, biases, norms outside the body, heads of other names; and two families that write into themselves."""

IDS = torch.tensor([[5, 6, 7, 8, 9, 4], [9, 8, 7, 0, 0, 0]])
MASK = (IDS > 0).long()
POSITIONS = torch.tensor([[0, 1, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0]]).bool()
CANDIDATES = torch.tensor([7, 3, 21, 4])


def state(model):
    """Return every attribute of each module, with each tensor's version counter."""
    return {
        f"{path}.{name}": {key: (id(entry), getattr(entry, "_version", 0)) for key, entry in value.items()}
        if isinstance(value, dict)
        else (id(value), repr(value) if isinstance(value, bool | set) else "")
        for path, module in model.named_modules()
        for name, value in vars(module).items()
    }


def check(model):
    """Compare some logits, all logits, and those of a model in evaluation mode with a plain pass of a copy."""
    plain = copy.deepcopy(model)
    with torch.no_grad():
        expected = plain(**model_inputs(plain, IDS, MASK)).logits[POSITIONS]
        before = state(model)
        some, every = (candidate_logits(model, IDS, MASK, POSITIONS, candidates) for candidates in (CANDIDATES, None))
        resting = candidate_logits(frozen_copy(model.train()), IDS, MASK, POSITIONS, None)
    model.eval()

    assert [name for name, value in state(model).items() if value != before.get(name)] == []
    for logits, wanted in ((some, expected[:, CANDIDATES]), (every, expected), (resting, expected)):
        torch.testing.assert_close(logits, wanted, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("family", QUICK)
def test_a_familys_own_logits(family):
    """Operations between a family's body and its logits are applied."""
    check(tiny_teacher(family))


@pytest.mark.full
@pytest.mark.parametrize("family", [name for name in model_types() if name not in QUICK])
def test_every_familys_own_logits(family):
    """The same for all families that can be built small."""
    try:
        model = tiny_teacher(family)
    except NoTinyModelError:
        pytest.skip("no tiny model")
    check(model)


@given(st.permutations(range(12)), st.integers(1, 12))
def test_the_rows_of_a_head(order, count):
    """Whatever the candidates, the logits and their gradients are those of the whole head's columns."""
    head, states = nn.Linear(3, 12).double(), torch.ones(2, 3, dtype=torch.float64)
    for candidates in (torch.tensor(order[:count]), torch.arange(12 - count, 12)):
        logits, expected = OutputRows(head, candidates)(states), head(states)[:, candidates]
        ours, theirs = (
            torch.autograd.grad(values.square().sum(), list(head.parameters())) for values in (logits, expected)
        )
        for value, wanted in zip((logits, *ours), (expected, *theirs), strict=True):
            torch.testing.assert_close(value, wanted, rtol=1e-12, atol=1e-12)


def test_neighbouring_candidates_are_no_copy():
    """Items that were added together lie side by side, and a million rows would be copied for each pass."""
    head = nn.Linear(3, 12)
    together, apart = (OutputRows(head, torch.tensor(tokens)).weights[0] for tokens in ([5, 6, 7], [5, 7, 6]))

    assert together.data_ptr() == head.weight[5].data_ptr()
    assert apart.untyped_storage().data_ptr() != head.weight.untyped_storage().data_ptr()
