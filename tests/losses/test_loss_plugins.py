"""The built-in losses as a plugin."""

import subprocess
import sys

import attrs

import shortstack_losses
from shortstack.contracts import DistillationLoss
from shortstack_losses.hidden_states import cosine_distance, relative_squared_error


def test_the_losses_build_with_their_defaults():
    """Every descriptor builds a loss of the protocol."""
    offered = {d.name: d for d in shortstack_losses.shortstack_losses()}

    assert [
        "labels",
        "soft-targets",
        "reverse-kl",
        "skew-kl",
        "jensen-shannon",
        "logits-mse",
        "ranking",
        "hidden-states",
        "attention-relations",
        "contrastive",
    ] == list(offered)
    for descriptor in offered.values():
        assert isinstance(descriptor.build(descriptor.config()), DistillationLoss)


def test_settings_reach_the_losses():
    """The temperature and the distance."""
    offered = {d.name: d for d in shortstack_losses.shortstack_losses()}
    soft, hidden = offered["soft-targets"], offered["hidden-states"]

    assert soft.build(soft.config(temperature=4.0)).terms.keywords == {"temperature": 4.0}
    assert hidden.build(hidden.config(distance="mse")).distance is relative_squared_error
    assert hidden.build(hidden.config()).distance is cosine_distance
    assert {"temperature": 2.0} == attrs.asdict(soft.config())


def test_listing_imports_no_torch():
    """Names and settings are there without the heavy libraries."""
    code = (
        "import sys, shortstack_losses; list(shortstack_losses.shortstack_losses()); "
        "print(sorted({'torch', 'transformers', 'polars'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
