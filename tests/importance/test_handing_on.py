"""Layers that hand on more than hidden states: a second tensor, or keys and values for layers above."""

import pytest
import torch
from importance.plain_loop import drop_losses
from students.tiny_families import tiny_teacher

from shortstack.importance.measure import measure_importance


def model_of(family):
    """In float64, but for what a family computes in float32 come what may."""
    model = tiny_teacher(family).double()
    if family == "zaya":
        model.set_experts_implementation("eager")  # the default knows no float64
    return model


@pytest.mark.parametrize("family", ["zaya", "gemma3n_text", "gemma4_text", "bloom"])
def test_a_layer_is_left_out_and_nothing_else(family, batch, registry):
    """What the layers below hand on is what they would have handed on, and a layer left out still hands on all else."""
    model = model_of(family)
    found = measure_importance(model, [batch], ["drop-loss"], registry=registry)["drop-loss"].scores

    torch.testing.assert_close(found, drop_losses(model, batch), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("family", ["zaya", "gemma4_text", "bloom"])
def test_gradients_come_by_way_of_all_that_is_handed_on(family, batch, registry, reference):
    """For parameters without a fast rule too: a router of Zaya's speaks to those of the layers above."""
    model = model_of(family)
    found = measure_importance(model, [batch], ["fisher"], registry=registry)["fisher"].scores

    torch.testing.assert_close(found, reference(model, batch, attention=False)["fisher"], rtol=1e-5, atol=0)
