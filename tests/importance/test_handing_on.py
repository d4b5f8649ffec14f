"""Layers that hand on more than hidden states: a second tensor, or keys and values for layers above."""

import pytest
import torch
from importance.plain_loop import drop_losses
from students.tiny_families import tiny_teacher

from shortstack.importance.measure import measure_importance


def model_of(family):
    """Return a float64 model, but for what a family always computes in float32."""
    model = tiny_teacher(family).double()
    if family == "zaya":
        model.set_experts_implementation("eager")  # the default knows no float64
    return model


@pytest.mark.parametrize("family", ["zaya", "gemma3n_text", "gemma4_text", "bloom"])
def test_a_layer_is_left_out_and_nothing_else(family, batch, registry):
    """Layers below pass on what they always do, and a skipped layer still passes on everything else."""
    model = model_of(family)
    scores = measure_importance(model, [batch], ["drop-loss"], registry=registry)["drop-loss"].scores

    torch.testing.assert_close(scores, drop_losses(model, batch), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("family", ["zaya", "gemma4_text", "bloom"])
def test_gradients_come_by_way_of_all_that_is_handed_on(family, batch, registry, reference):
    """Gradients flow through all passed-on values, also for parameters without a fast rule, as Zaya's routers."""
    model = model_of(family)
    scores = measure_importance(model, [batch], ["fisher"], registry=registry)["fisher"].scores

    torch.testing.assert_close(scores, reference(model, batch, attention=False)["fisher"], rtol=1e-5, atol=0)
