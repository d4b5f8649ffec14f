"""Losses that return means are refused before any training, and all others are accepted."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from shortstack.contracts import Output
from shortstack.distillation.reduction_check import Shape, require_sum
from shortstack.distillation.weighted_losses import WeightedLoss
from shortstack.errors import PluginError

SHAPE = Shape(layers=2, hidden=6, candidates=11, dtype=torch.float32)


class Loss:
    """A loss from a function of both models' outputs."""

    needs = frozenset(Output)
    calls = 0

    def __init__(self, value, count=None):
        self.value, self.counted = value, count or (lambda batch: batch.labels.new_tensor(batch.labels.numel()))

    def prepare(self, teacher, student, selection):
        """Nothing."""

    def count(self, batch):
        """Return the number of positions, or the given count."""
        return self.counted(batch)

    def __call__(self, student, teacher, batch, module):
        """Return the function's value."""
        self.calls += 1
        return self.value(student, teacher, batch, module)


def entropy(reduction):
    """Return cross-entropy with the labels."""
    return lambda student, _teacher, batch, _module: F.cross_entropy(student.logits, batch.labels, reduction=reduction)


def divergence(reduction):
    """Return a loss on ``F.kl_div`` with one of its reductions."""
    return lambda student, teacher, _batch, _module: F.kl_div(
        student.logits.log_softmax(-1), teacher.logits.softmax(-1), reduction=reduction
    )


def states(reduction):
    """Return the squared error of the last layer's states."""
    return lambda student, teacher, _batch, _module: F.mse_loss(
        student.states[1], teacher.states[1], reduction=reduction
    )


def attention(reduction):
    """Return the squared error of the last layer's queries, as wide in both models."""
    return lambda student, teacher, _batch, _module: F.mse_loss(
        student.attention[1].queries, teacher.attention[1].queries, reduction=reduction
    )


def contrast(student, _teacher, batch, _module):
    """Return a sum over pairs within the batch, which grows more than linearly with the data."""
    similar = student.logits @ student.logits.T
    return F.cross_entropy(similar, torch.arange(len(batch.labels)), reduction="sum")


def one(batch):
    """Return a single term, regardless of batch size."""
    return batch.labels.new_tensor(1)


def tried(loss, module=None, shape=SHAPE, teacher=SHAPE):
    """Run the check on one loss."""
    require_sum([WeightedLoss(name="mine", loss=loss)], [module], shape, teacher)


@pytest.mark.parametrize(
    "value",
    [entropy("mean"), divergence("batchmean"), divergence("mean"), states("mean"), attention("mean")],
    ids=["ce", "kl", "kl-1", "mse", "attention"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_means_are_refused(value, dtype):
    """A loss that returns a mean is refused by name, with advice."""
    shape = Shape(layers=2, hidden=6, candidates=11, dtype=dtype)
    with pytest.raises(
        PluginError,
        match=r"^loss 'mine' gives a mean: twice the data gives the same value, though it counts twice the terms; return the "
        r"sum over the terms, for the trainer divides by their number\nin distillation loss 'mine' \(.*:Loss\)$",
    ):
        tried(Loss(value), shape=shape, teacher=shape)


@pytest.mark.parametrize(
    "loss",
    [
        Loss(entropy("sum")),
        Loss(divergence("sum")),
        Loss(states("sum")),
        Loss(contrast),
        Loss(entropy("mean"), count=one),
        Loss(lambda *_: torch.zeros(())),
        Loss(lambda *_: torch.tensor(float("nan"))),
        Loss(entropy("none")),
        Loss(lambda *_: 1 / 0),
        Loss(lambda *_: 0.5),
    ],
    ids=["ce", "kl", "mse", "contrast", "one-term", "zero", "nan", "rows", "raises", "number"],
)
def test_all_others_are_let_through(loss):
    """Sums, statistics of a whole batch with one term, and what later checks refuse with a better message."""
    tried(loss)


def test_it_leaves_no_trace():
    """The check changes neither the loss and its module, nor the global random state."""

    def noisy(student, _teacher, batch, module):
        return F.cross_entropy(module(student.logits) + torch.randn(()), batch.labels, reduction="sum")

    loss, module = Loss(noisy), nn.BatchNorm1d(11)
    random, before = torch.get_rng_state(), {name: t.clone() for name, t in module.state_dict().items()}
    tried(loss, module)

    assert loss.calls == 0
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_ready_losses_are_their_owners_to_try(stage):
    """Only what is given by name is tried, so that the conformance kit can train on what it doubts."""
    stage.trainer(losses=[WeightedLoss(name="mine", loss=Loss(entropy("mean")))])
