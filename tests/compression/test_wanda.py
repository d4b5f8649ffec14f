"""``wanda``, against a loop over weights in float64."""

import copy
import math

import pytest
from compression.conftest import inputs_of, linears

from shortstack.compression.compressing import compress
from shortstack.compression.names import method_named


def expected(weight, inputs, groups_of, removed):
    """Return the weight without the lowest ``|w| · ‖x‖`` of each group of inputs of each output, as nested lists."""
    norms = [math.sqrt(sum(value * value for value in column)) for column in inputs.T.tolist()]
    rows = weight.tolist()
    for row in rows:
        scores = [abs(value) * norm for value, norm in zip(row, norms, strict=True)]
        for start in range(0, len(row), groups_of):
            group = range(start, start + groups_of)
            for index in sorted(group, key=scores.__getitem__)[:removed]:
                row[index] = 0.0
    return rows


@pytest.mark.parametrize(("amount", "share"), [("2:4", 0.5), ("1:4", 0.75), ("50%", 0.5), ("25%", 0.25)])
@pytest.mark.parametrize("layer", [0, 1])
def test_the_scores_of_the_paper(llama, batches, amount, share, layer):
    """Each layer's inputs are those of a model in which the layers before are pruned, and it is not."""
    whole = copy.deepcopy(llama)
    compress(llama, method_named(f"wanda-{amount}"), batches)
    before = copy.deepcopy(whole)
    for pruned in range(layer):
        before.model.layers[pruned] = llama.model.layers[pruned]

    for name, linear in linears(before, layer).items():
        width = linear.in_features
        group = int(amount[-1]) if ":" in amount else width
        reference = expected(linear.weight.data, inputs_of(before, linear, batches), group, int(share * group))
        assert linears(llama, layer)[name].weight.tolist() == reference, name


def test_inputs_matter(llama, batches):
    """It removes other weights than their magnitude alone says."""
    other = copy.deepcopy(llama)
    compress(llama, method_named("wanda-50%"), batches)
    compress(other, method_named("magnitude-50%"))

    assert any((linears(llama, 0)[name].weight != linear.weight).any() for name, linear in linears(other, 0).items())
