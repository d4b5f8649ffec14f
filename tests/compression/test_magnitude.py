"""``magnitude``, and the patterns that it shares with ``wanda``."""

import copy
from fractions import Fraction

import pytest
import torch
from compression.conftest import linears

from shortstack.compression.compressing import compress
from shortstack.compression.names import method_named
from shortstack.compression.sparsity import Groups, Unstructured


@pytest.mark.parametrize(("share", "percent"), [(0.5, "50%"), (0.3, "30%"), (0.125, "12.5%")])
def test_a_share_of_each_matrix(llama, share, percent):
    """As many weights are 0 as the share says, rounded down; the others are untouched and no smaller than those."""
    whole = copy.deepcopy(llama)
    compress(llama, method_named(f"magnitude-{percent}"))

    for name, linear in linears(llama, 2).items():
        before, zeros = linears(whole, 2)[name].weight, linear.weight == 0
        assert int(zeros.sum()) == int(share * before.numel() + 1e-9)
        assert torch.equal(linear.weight[~zeros], before[~zeros])
        assert before[zeros].abs().max() <= before[~zeros].abs().min()


@pytest.mark.parametrize("method", ["magnitude", "wanda"])
@pytest.mark.parametrize(("kept", "of"), [(2, 4), (1, 4), (4, 8)])
def test_groups_of_inputs(llama, batches, method, kept, of):
    """Every group of consecutive inputs of every output has N weights left."""
    compress(llama, method_named(f"{method}-{kept}:{of}"), batches)

    for layer in range(6):
        for linear in linears(llama, layer).values():
            left = linear.weight.reshape(-1, of).count_nonzero(dim=1)
            assert left.unique().tolist() == [kept]


def test_the_smallest_of_each_group(llama):
    """Against a sort of each group."""
    whole = linears(copy.deepcopy(llama), 0)["mlp.up_proj"].weight.detach()
    compress(llama, method_named("magnitude-2:4"))
    groups = whole.reshape(-1, 4).tolist()
    expected = [[v if sorted(map(abs, group)).index(abs(v)) >= 2 else 0.0 for v in group] for group in groups]

    assert linears(llama, 0)["mlp.up_proj"].weight.reshape(-1, 4).tolist() == expected


def test_ties_go_to_the_first():
    """Of equal scores the first are removed, whatever the kernel of the sort."""
    scores = torch.ones(2, 8)

    assert Groups(kept=2, of=4).zeros(scores).int().tolist() == [[1, 1, 0, 0, 1, 1, 0, 0]] * 2
    assert Unstructured(share=Fraction(1, 4)).zeros(scores).int().tolist() == [[1, 1, 0, 0, 0, 0, 0, 0]] * 2
