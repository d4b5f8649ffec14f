"""An audit of a model whose loss is known: a sum over the layers that stay."""

import numpy as np
import pytest
import torch

from shortstack.audit.auditing import Audit
from shortstack.audit.columns import ProbeColumn

LAYERS = 20


class Known:
    """Two examples and two values; every layer left out costs its index in the one, and one in the other."""

    layers = LAYERS

    def __init__(self, examples=2):
        self.examples, self.asked = examples, []

    def few(self, examples):
        """Return a probe of the first examples."""
        return Known(examples)

    def log_probability(self, *, skip=()):
        """Return float64 ``(examples, values)``."""
        self.asked.append(tuple(skip))
        sums = torch.tensor([[-float(sum(skip)), -float(len(skip))]], dtype=torch.float64)
        return sums.expand(self.examples, 2)


@pytest.fixture
def probe():
    """A probe with known losses."""
    return Known()


@pytest.fixture
def audit(probe):
    """Audit of one scorer that prefers later layers."""
    columns = {name: ProbeColumn(probe=probe, number=number) for number, name in enumerate(("loss", "ndcg@10"))}
    return Audit(scores={"later": np.arange(LAYERS, dtype=float)}, probes=columns, resamples=20, seed=0)


def test_each_metric_is_a_column(audit, probe):
    """Both metrics are drops of values from the same pass."""
    assert audit.oracle == {"loss": [*range(LAYERS)], "ndcg@10": [1] * LAYERS}
    assert (probe.asked.count(()), probe.asked.count((3,))) == (2, 2)  # twice, as this probe has no cache
    assert audit.probes["loss"].few(1).log_probability(skip=[4]).tolist() == [-4]
    assert (audit.probes["loss"].layers, audit.probes["loss"].examples) == (LAYERS, 2)


def test_losses_of_many_layers_are_measured_at_some_sizes(audit):
    """Sizes measured include all layers, one layer and the run's own; the others are None."""
    losses = audit.losses(audit.scores["later"], kept=7)
    assert len(losses) == LAYERS
    measured = {size: loss for size, loss in enumerate(losses, 1) if loss is not None}
    assert {1, 7, LAYERS} <= measured.keys()
    assert len(measured) <= 13
    for size, loss in measured.items():
        assert loss == sum(range(LAYERS - size))
