"""``measure_importance``: the requested scores are returned, from one pass where one is enough."""

import subprocess
import sys

import pytest
import torch
from students.tiny_families import tiny_teacher

from shortstack.contracts import Importance
from shortstack.importance import probe
from shortstack.importance.measure import measure_importance
from shortstack.models.decoder import Decoder
from shortstack_importance import fisher


@pytest.fixture
def model(tiny):
    """A float64 Llama."""
    return tiny("llama")


def forwards(model):
    """Count each layer's runs on the six examples; preliminary passes are not counted."""
    layers = Decoder.of(model).layers
    counts = [0] * len(layers)
    for index, layer in enumerate(layers):
        forward = layer.mlp.forward

        def counted(states, own=forward, index=index):
            counts[index] += len(states) == 6
            return own(states)

        layer.mlp.forward = counted
    return counts


def test_one_sweep_feeds_all_folds(model, batch, registry):
    """A one-shot iterator is enough, and each layer runs once a batch."""
    counts = forwards(model)
    names = ["fisher", "gradient", "taylor", "attention", "block-influence", "angular", "norm-ratio", "magnitude"]
    results = measure_importance(model, iter([batch, batch]), names, registry=registry)

    assert names == list(results)
    assert [2, 2, 2] == counts


def test_the_default_is_fisher(model, batch, registry):
    """Fisher is the default, and equals a named scorer, one configured by a mapping, and an object."""
    default = measure_importance(model, [batch], registry=registry)
    results = measure_importance(
        model, [batch], {"mine": fisher.DESCRIPTOR.build(None), "fisher": {}}, registry=registry
    )

    assert ["fisher"] == list(default)
    assert all(torch.equal(default["fisher"].scores, other.scores) for other in results.values())


@pytest.mark.parametrize(
    "around",
    [torch.inference_mode, torch.no_grad, lambda: torch.autocast("cpu", torch.bfloat16)],
    ids=["inference", "no-grad", "autocast"],
)
def test_whatever_the_caller_is_in_the_middle_of(tiny, batch, registry, around):
    """Gradients and arithmetic are those outside of it, also of batches that were made inside."""
    model, names = tiny("llama", torch.float32), ["fisher", "attention"]
    plain = measure_importance(model, [batch], names, registry=registry)
    with around():
        inside = {key: tensor.clone() for key, tensor in batch.items()}
        results = measure_importance(model, [inside], names, registry=registry)

    assert all(torch.equal(plain[name].scores, results[name].scores) for name in names)


def test_a_hybrid_brings_its_parts_but_returns_only_what_was_asked(model, batch, registry):
    """A hybrid returns only the requested scores, also from a one-shot iterator."""
    alone = measure_importance(model, iter([batch]), ["hybrid"], registry=registry)
    parts = measure_importance(model, [batch], ["fisher", "attention", "gradient"], registry=registry)

    assert ["hybrid"] == list(alone)
    ranks = torch.stack([(p.scores[:, None] > p.scores[None]).sum(-1) / 2 for p in parts.values()])
    torch.testing.assert_close(alone["hybrid"].scores, ranks.double().mean(0))


def test_a_part_may_have_its_own_settings(model, batch, registry):
    """The hybrid uses the scorer as configured beside it."""
    weights = {"weights": {"attention": 1.0}, "fusion": "min-max"}
    scorers = {"hybrid": weights, "attention": {"sink": "keep"}}
    results = measure_importance(model, [batch], scorers, registry=registry)

    scores = results["attention"].scores
    torch.testing.assert_close(results["hybrid"].scores, (scores - scores.min()) / (scores.max() - scores.min()))


@pytest.mark.parametrize("family", ["llama", "falcon"])
def test_the_oracle_costs_about_half_of_a_forward_a_layer(family, batch, registry):
    """Six layers: 6 for the whole model, then 5, 5, 4, 3, 2, 1 with the prefix remembered: 26, not 36.

    Whether a layer returns its states, or a tuple with them and nothing.
    """
    model = tiny_teacher(family)
    measure_importance(model, [batch], ["drop-loss"], registry=registry)  # a first layer shows what it returns
    counts = forwards(model)
    measure_importance(model, [batch] * 4, ["drop-loss"], registry=registry)

    assert sum(counts) <= 4 * 26 + 6


def test_importance_is_a_float64_a_layer(model, batch, registry):
    """Scores are float64 on the CPU, one per layer, whatever the model's dtype."""
    importance = measure_importance(model.bfloat16(), [batch], ["fisher"], registry=registry)["fisher"]

    assert isinstance(importance, Importance)
    assert (torch.float64, (3,), "cpu") == (
        importance.scores.dtype,
        tuple(importance.scores.shape),
        importance.scores.device.type,
    )


def test_the_plugin_is_light():
    """Listing the scorers imports neither torch nor transformers."""
    code = (
        "import sys; import shortstack_importance as s; names = [d.name for d in s.shortstack_importance_scorers()];"
        "print(len(names), sorted({'torch', 'transformers', 'polars'} & set(sys.modules)))"
    )
    paths = ":".join(path for path in sys.path if path)
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": paths}
    )

    assert "11 []" == out.stdout.strip()


@pytest.mark.parametrize("bytes_allowed", [0, 4000, 2**32])
def test_what_a_probe_remembers_is_bounded(model, batch, registry, monkeypatch, bytes_allowed):
    """Batches whose states do not fit run from the start; nothing else changes."""
    batches = [
        {name: tensor[rows] for name, tensor in batch.items()} for rows in (slice(0, 2), slice(2, 4), slice(4, 6))
    ]
    expected = measure_importance(model, batches, ["drop-loss"], registry=registry)["drop-loss"].scores
    monkeypatch.setattr(probe, "MOST_BYTES", bytes_allowed)
    scores = measure_importance(model, batches, ["drop-loss"], registry=registry)["drop-loss"].scores

    torch.testing.assert_close(scores, expected, rtol=1e-9, atol=1e-12)


def test_objects_in_place_of_names(model, batch, registry):
    """A scorer, or what makes one, in a list or by a name of its own, as ``Run(importance=…)`` takes them."""
    by_name = measure_importance(model, [batch], ["fisher"], registry=registry)["fisher"]
    listed = measure_importance(model, [batch], [fisher.DESCRIPTOR, "gradient"], registry=registry)
    mapped = measure_importance(model, [batch], {"mine": fisher.DESCRIPTOR}, registry=registry)

    assert list(listed) == ["fisher", "gradient"]
    assert list(mapped) == ["mine"]
    assert torch.equal(listed["fisher"].scores, by_name.scores)
    assert torch.equal(mapped["mine"].scores, by_name.scores)
