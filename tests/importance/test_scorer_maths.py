"""The maths of single scorers on numbers that can be checked by hand or against numpy and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy, rankdata, zscore

from shortstack.contracts import Importance
from shortstack.models.attention import Terms, attention_weights
from shortstack_importance.attention import concentration, without_first
from shortstack_importance.directions import angle, cosine_distance, last_visible
from shortstack_importance.hybrid import HybridSettings, build


def test_directions_at_the_edges():
    """Equal, opposite, orthogonal and zero vectors."""
    x = torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 0], [0, 0], [3e-15, 0]])
    y = torch.tensor([[2.0, 0], [-3, 0], [0, 5], [1, 1], [0, 0], [1, 0]])

    assert [0, 2, 1, 1, 0, 0] == pytest.approx(cosine_distance(x, y).tolist(), abs=1e-7)
    assert [0] * 6 == cosine_distance(x, x).tolist()
    right = math.pi / 2
    assert [0, math.pi, right, right] == pytest.approx(angle(x, y)[:4].tolist(), rel=1e-6)
    assert float(angle(x, y)[5]) == 0


def test_small_turns_survive_float32():
    """``1 − cos`` of 2e-10 would be 0 or 6e-8 in float32; this is right to four digits."""
    turn = 2e-5
    x = torch.tensor([[1.0, 0.0]])
    y = torch.tensor([[math.cos(turn), math.sin(turn)]], dtype=torch.float32)

    assert turn == pytest.approx(float(angle(x, y)), rel=1e-4)
    assert turn**2 / 2 == pytest.approx(float(cosine_distance(x, y)), rel=1e-4)


def test_last_visible_token():
    """Padded right, left, both and everywhere."""
    mask = torch.tensor([[1, 1, 0], [0, 1, 1], [0, 1, 0], [0, 0, 0]]).bool()

    assert [1, 2, 1, 0] == last_visible(mask).tolist()


def test_concentration_against_scipy():
    """Concentration is one minus normalised entropy, the first visible key excluded."""
    weights = torch.tensor([[[[0.4, 0.1, 0.2, 0.3], [0.7, 0.1, 0.1, 0.1], [1.0, 0, 0, 0]]]], dtype=torch.float64)
    visible = torch.tensor([[[[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]]]]).bool()

    expected = [1 - entropy([0.1, 0.2, 0.3]) / math.log(3), 0.0, 0.0]
    assert expected == pytest.approx(concentration(weights, without_first(visible))[0, 0].tolist(), abs=1e-12)
    one_key = concentration(weights, visible)[0, 0, 2]
    assert float(one_key) == 1  # all on one of four keys


def test_attention_weights_of_every_kind_of_mask():
    """Bool, additive and missing masks of one pattern give one map; grouped heads, caps, biases and sinks by hand."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, 5, 8, generator=generator)
    key = torch.randn(2, 2, 5, 8, generator=generator)
    seen = torch.ones(5, 5).tril().bool()[None, None]
    bias = torch.randn(1, 4, 5, 5, generator=generator)
    sinks = torch.randn(4, generator=generator)
    logits = (query / 8**0.5) @ key.repeat_interleave(2, 1).mT

    def masked(values):
        return values.masked_fill(~seen, -torch.inf)

    additive = torch.where(seen, 0.0, torch.finfo(torch.float32).min)
    for mask in (None, seen, additive):
        weights, visible = attention_weights(query, key, mask, Terms())
        torch.testing.assert_close(weights, masked(logits).softmax(-1))
        assert torch.equal(visible.expand(2, 4, 5, 5), seen.expand(2, 4, 5, 5))
    weights, _ = attention_weights(query, key, None, Terms(causal=False, scaling=1.0))
    torch.testing.assert_close(weights, (logits * 8**0.5).softmax(-1))
    weights, _ = attention_weights(query, key, seen, Terms(softcap=0.5, position_bias=bias))
    torch.testing.assert_close(weights, masked((logits / 0.5).tanh() * 0.5 + bias).softmax(-1))
    weights, _ = attention_weights(query, key, seen, Terms(sinks=sinks))
    extended = torch.cat([masked(logits), sinks.view(1, 4, 1, 1).expand(2, 4, 5, 1)], -1).softmax(-1)
    torch.testing.assert_close(weights, extended[..., :-1])


def fuse(scores, **settings):
    """Return the hybrid of some scores."""
    hybrid = build(HybridSettings(**settings))
    inputs = {name: Importance(scores=torch.tensor(s, dtype=torch.float64), examples=4) for name, s in scores.items()}
    return hybrid.combine(inputs, probe=None)


A, B, FLAT = [3.0, 1.0, 1.0, 8.0], [1e-9, 4e-9, 2e-9, 3e-9], [5.0] * 4


@pytest.mark.parametrize(
    ("fusion", "scale"),
    [
        ("rank", lambda s: (rankdata(s) - 1) / (len(s) - 1)),
        ("min-max", lambda s: (s - s.min()) / np.ptp(s)),
        ("z", zscore),
    ],
)
def test_fusion_against_scipy(fusion, scale):
    """Ties get their mid-rank, decades do not matter, a constant counts 0."""
    fused = fuse(
        {"a": A, "b": B, "flat": FLAT}, weights={"a": 3.0, "b": 1.0, "flat": 1.0, "unused": 0.0}, fusion=fusion
    )

    expected = (3 * scale(np.array(A)) + scale(np.array(B))) / 5
    assert expected.tolist() == pytest.approx(fused.scores.tolist(), rel=1e-9)
    assert fused.examples == 4


def test_a_hybrid_of_one_layer_or_of_constants_is_zero():
    """A hybrid of one layer or of constants is 0, not NaN."""
    for fusion in ("rank", "min-max", "z"):
        assert [0.0] * 4 == fuse({"flat": FLAT}, weights={"flat": 1.0}, fusion=fusion).scores.tolist()
        assert [0.0] == fuse({"a": [7.0]}, weights={"a": 2.0}, fusion=fusion).scores.tolist()


def test_needs_of_a_hybrid():
    """Only scorers with a share are measured."""
    assert ("fisher", "attention", "gradient") == build(HybridSettings()).needs_scores
    assert ("b",) == build(HybridSettings(weights={"a": 0.0, "b": 1.0})).needs_scores
