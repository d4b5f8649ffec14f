"""Half precision: scores stay near those of float32, small gradients are not lost, and what blows up is named."""

import pytest
import torch
from scipy.stats import spearmanr

from shortstack.contracts import FoldScorer
from shortstack.errors import NonFiniteError
from shortstack.importance import loss_scale
from shortstack.importance.measure import measure_importance, next_token
from shortstack.testing import TinyModel

FAMILIES = ("llama", "qwen3", "gpt2", "opt", "gemma2", "gemma3_text", "mixtral")
HALVES = (torch.bfloat16, torch.float16)
NEAR = 0.05


@pytest.fixture
def batches():
    """64 examples of 12 tokens, 3 of them padding on the left in every other one: roundings average out."""
    ids = torch.randint(1, 24, (64, 12), generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(ids)
    mask[::2, :3] = 0
    whole = {"input_ids": ids * mask, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}
    return [{name: rows[start : start + 16] for name, rows in whole.items()} for start in range(0, 64, 16)]


def in_precision(model, dtype):
    """Return the model with weights of another dtype; a cast would also round the rotary frequencies."""
    other = type(model)._from_config(model.config, dtype=dtype)
    other.load_state_dict(model.state_dict())
    return other.eval()


def folds(registry):
    """Return all scorers that one sweep feeds."""
    names = [c.descriptor.name for c in registry.components if c.kind == "scorer"]
    return [name for name in names if isinstance(registry.build("scorer", name), FoldScorer)]


def off(found, expected):
    """Return the largest difference as a share of the largest score."""
    return float((found.scores - expected.scores).abs().max() / expected.scores.abs().max())


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_is_near(family, dtype, batches, registry):
    """Within 5 % of the largest score; the reference has the same rounded weights, for they are another model."""
    half = in_precision(TinyModel(family=family, dtype="float32", layers=3).build(), dtype)
    names = folds(registry)
    expected = measure_importance(in_precision(half, torch.float32), batches, names, registry=registry)
    measured = measure_importance(half, batches, names, registry=registry)

    assert [] == [
        (name, off(measured[name], expected[name])) for name in names if off(measured[name], expected[name]) > NEAR
    ]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_the_oracle_ranks_alike(dtype, batches, registry):
    """Eight layers in nearly the same order."""
    half = in_precision(TinyModel(family="llama", dtype="float32", layers=8).build(), dtype)
    expected = measure_importance(in_precision(half, torch.float32), batches, ["drop-loss"], registry=registry)
    measured = measure_importance(half, batches, ["drop-loss"], registry=registry)

    assert spearmanr(measured["drop-loss"].scores, expected["drop-loss"].scores).statistic >= 0.9


@pytest.fixture
def llama():
    """A Llama in float16."""
    return in_precision(TinyModel(family="llama", dtype="float32", layers=3).build(), torch.float16)


def times(factor):
    """Return an objective with gradients ``factor`` times as large."""
    return lambda *given: next_token(*given) * factor


@pytest.mark.parametrize("factor", [1e-7, 1e3], ids=["small", "large"])
@pytest.mark.parametrize("scorer", ["fisher", "gradient", "taylor"])
def test_float16_loses_no_gradient(factor, scorer, llama, batches, registry):
    """Confident examples have gradients below 6e-8, float16's least; others, scaled, exceed 65,504, its largest."""
    wide = in_precision(llama, torch.float32)
    expected = measure_importance(wide, batches, [scorer], objective=times(factor), registry=registry)
    measured = measure_importance(llama, batches, [scorer], objective=times(factor), registry=registry)

    assert off(measured[scorer], expected[scorer]) <= NEAR


def test_without_a_scale_they_would_be_lost(llama, batches, registry, monkeypatch):
    """The scale is what saves them: unscaled, the same gradients are 0 or of one digit."""
    wide = in_precision(llama, torch.float32)
    expected = measure_importance(wide, batches, objective=times(1e-7), registry=registry)["fisher"]
    monkeypatch.setattr(loss_scale, "FIRST_SCALE", 1.0)
    measured = measure_importance(llama, batches, objective=times(1e-7), registry=registry)["fisher"]

    assert off(measured, expected) > NEAR


def test_a_pass_that_overflows_counts_once(llama, batches, registry):
    """Scorers that were fed before the overflow, from the hidden states, are not fed twice."""
    names = ["angular", "block-influence", "fisher"]
    alone = measure_importance(llama, batches, names[:2], registry=registry)
    measured = measure_importance(llama, batches, names, objective=times(1e3), registry=registry)

    assert all(torch.equal(alone[name].scores, measured[name].scores) for name in names[:2])
    assert {64} == {importance.examples for importance in measured.values()}


def test_gradients_beyond_float16_are_refused(llama, batches, registry):
    """No scale makes 10⁶ fit; the last layer is the first that the gradient reaches."""
    said = "the gradients of layer 2 overflow float16, without a loss scale too; load the model in bfloat16 or float32"
    with pytest.raises(NonFiniteError, match=said):
        measure_importance(llama, batches, ["fisher"], objective=times(1e6), registry=registry)


def damaged(model, where):
    """Return the model with one NaN."""
    weights = {
        "embeddings": model.model.embed_tokens.weight,
        "layer": model.model.layers[1].mlp.down_proj.weight,
        "head": model.lm_head.weight,
    }
    with torch.no_grad():
        weights[where][7, 0] = float("nan")
    return model


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("embeddings", "so are the embeddings"),
        ("layer", "layer 1 is the first to give such numbers"),
        ("head", "all layers give finite numbers, so it is the output head or the objective"),
    ],
)
@pytest.mark.parametrize("scorers", [["fisher"], ["fisher", "attention"]], ids=len)
def test_what_blows_up_first_is_named(where, said, scorers, batches, registry):
    """The token with the broken embedding is in one example only, of the second batch."""
    model = damaged(TinyModel(family="llama", dtype="float32", layers=3, tied=False).build(), where)
    for batch in batches:
        batch["input_ids"][batch["input_ids"] == 7] = 8
    batches[1]["input_ids"][3, 6] = 7
    place = 19 if where == "embeddings" else 0
    with pytest.raises(NonFiniteError, match=rf"labelled example {place} \(from 0\) is nan, and {said}; check the mod"):
        measure_importance(model, batches, scorers, registry=registry)
