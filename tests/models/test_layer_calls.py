"""What a layer returns: a tensor, a tuple or a list, whose first part is the hidden states; nothing else is guessed at."""

from typing import NamedTuple

import pytest
import torch

from shortstack.errors import UnsupportedModelError
from shortstack.models.layer_calls import beside, is_alone, leaving, with_leaving, with_views_beside

STATES, OTHERS = torch.zeros(1, 2, 3), torch.ones(1, 2, 3)


class Named(NamedTuple):
    """An output of a layer whose fields have names."""

    aside: torch.Tensor
    states: torch.Tensor


@pytest.mark.parametrize("form", [tuple, list])
def test_the_first_part_is_replaced(form):
    """The others stay, and so does the form."""
    weights = torch.rand(2)
    replaced = with_leaving(form((STATES, weights, None)), OTHERS)

    assert type(replaced) is form
    assert leaving(replaced) is OTHERS
    assert replaced[1] is weights
    assert replaced[2] is None


def test_a_tensor_alone_is_replaced_whole():
    """It is the hidden states."""
    assert with_leaving(STATES, OTHERS) is OTHERS
    assert leaving(STATES) is STATES


def test_a_named_tuple_is_refused():
    """Its first field need not be the hidden states."""
    with pytest.raises(UnsupportedModelError, match=r"^a layer returns Named, whose hidden states are not known$"):
        with_leaving(Named(STATES, OTHERS), OTHERS)


def test_only_what_is_differentiated_stands_beside():
    """Masks and counts have no gradients; views of the rest have gradients of their own."""
    weights = torch.rand(2, requires_grad=True)
    output = (STATES, weights * 1, torch.arange(2), None)
    viewed = with_views_beside(output)

    assert list(beside(output)) == [1]
    assert [one is other for one, other in zip(viewed, output, strict=True)] == [True, False, True, True]
    assert viewed[1]._base is output[1]
    assert (is_alone(output), is_alone((STATES, None)), is_alone(STATES)) == (False, True, True)
