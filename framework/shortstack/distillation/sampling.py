"""Sampled candidates: a loss over a catalogue is estimated from the labels and a few candidates that are drawn at each step.

The candidates are drawn uniformly, without replacement. Each of ``n`` among ``C`` stands for ``C / n``, so that
``exp(z_y) + Σ_{j drawn, j ≠ y} (C / n) exp(z_j)`` has the softmax's denominator as its mean over the draws.

Source: Bengio and Senécal 2008, https://doi.org/10.1109/TNN.2007.912312, section III; the correction by log Q, Yi et al.
2019, https://doi.org/10.1145/3298689.3346996, equation 3.
"""

import math

import attrs
import numpy as np
import torch
from torch import Tensor


@attrs.frozen(kw_only=True, eq=False)
class SampledColumns:
    """The candidates whose logits are computed for one batch.

    Attributes:
        columns: int64 ``(columns,)``: indices among all candidates, ascending.
        labels: int64 ``(positions,)``: each label's index among the columns.
        log_shares: float32 ``(columns,)``: ``log(C / n)`` of drawn candidates, −∞ of those that are labels alone.
    """

    columns: Tensor
    labels: Tensor
    log_shares: Tensor


def drawn_candidates(candidates: int, number: int, *, seed: int, step: int) -> Tensor:
    """Return the indices of the candidates of one optimiser step, the same on each rank and after a resume.

    Args:
        candidates: Number of candidates.
        number: Number of candidates to draw; all of them if there are no more.
        seed: Seed of the training.
        step: Number of the optimiser step.

    Returns:
        int64 ``(number,)``, each once.
    """
    state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0] >> 1))
    return torch.randperm(candidates, generator=generator)[:number]


def sampled_columns(labels: Tensor, drawn: Tensor, candidates: int) -> SampledColumns:
    """Return the candidates that are drawn or labels of a batch.

    Args:
        labels: int64 ``(positions,)``, indices among the candidates.
        drawn: int64 ``(drawn,)``, on the same device.
        candidates: Number of candidates.

    >>> sampled_columns(torch.tensor([5, 2, 5]), torch.tensor([2, 0]), candidates=6)
    SampledColumns(columns=tensor([0, 2, 5]), labels=tensor([2, 1, 2]), log_shares=tensor([1.0986, 1.0986,   -inf]))
    """
    columns, places = torch.cat([labels, drawn]).unique(return_inverse=True)
    log_shares = torch.full(columns.shape, -math.inf, device=labels.device)
    log_shares[places[len(labels) :]] = math.log(candidates / len(drawn))
    return SampledColumns(columns=columns, labels=places[: len(labels)], log_shares=log_shares)
