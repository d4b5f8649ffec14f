"""Laws of the sweep: nothing about batches, order or padding matters, and the model is left alone."""

import copy
import random
import warnings

import attrs
import numpy as np
import pytest
import torch

from shortstack.importance.calibration import checked_batches
from shortstack.importance.measure import measure_importance
from shortstack.importance.sweep import sweep

FOLDS = ["fisher", "gradient", "taylor", "attention", "block-influence", "angular", "norm-ratio"]
IDENTITY_IS_ZERO = ["taylor", "block-influence", "angular", "norm-ratio"]
EVERY = [*FOLDS, "magnitude", "drop-loss", "hybrid"]


@pytest.fixture
def model(tiny):
    """A float64 Llama of three layers."""
    return tiny("llama")


def rows(batch, chosen):
    """Return some examples of a batch, in this order."""
    return {key: value[chosen] for key, value in batch.items()}


def scores(model, batches, registry, names=FOLDS):
    """Return scores ``(scorers, layers)``."""
    results = measure_importance(model, batches, names, registry=registry)
    return torch.stack([results[name].scores for name in names])


def assert_same(expected, actual):
    """Assert equality within the rounding of another summation order."""
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-12)


def test_batch_size_and_order_do_not_matter(model, batch, registry):
    """Scores do not depend on batch size or on the order of examples."""
    whole = scores(model, [batch], registry)

    assert_same(whole, scores(model, [rows(batch, [n]) for n in (3, 0, 5, 2, 1, 4)], registry))
    assert_same(whole, scores(model, iter([rows(batch, [5, 2, 0, 1]), rows(batch, [4, 3])]), registry))


def test_duplicates_change_no_mean(model, batch, registry):
    """Repeating every example leaves the means as they are."""
    assert_same(scores(model, [batch], registry), scores(model, [batch] * 3, registry))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_padding_does_not_matter(side, family, tiny, batch, registry):
    """Padding on either side changes no score, with learned and with rotary positions."""
    width = (3, 0) if side == "left" else (0, 3)
    fill = {"input_ids": 7, "attention_mask": 0, "labels": -100}
    padded = {key: torch.nn.functional.pad(value, width, value=fill[key]) for key, value in batch.items()}
    names = [*FOLDS, "drop-loss"]

    model = tiny(family)
    assert_same(scores(model, [batch], registry, names), scores(model, [padded], registry, names))


def test_a_fully_masked_example_contributes_nothing(model, batch, registry):
    """An example without any unmasked token changes no score."""
    more = {key: torch.cat([value, value[:1]]) for key, value in batch.items()}
    more["attention_mask"][-1] = 0

    assert_same(scores(model, [batch], registry), scores(model, [more], registry))


def test_merge_is_the_fold_of_both_parts(model, batch, registry):
    """``merge`` is associative and commutative, with ``start`` as unit."""
    folds = {name: registry.build("scorer", name) for name in FOLDS}
    device = torch.device("cpu")
    parts = [rows(batch, chosen) for chosen in ([0, 1], [2, 3], [4, 5])]
    a, b, c = (sweep(model, checked_batches([part], device), folds).states for part in parts)
    empty = sweep(model, [], folds).states

    whole = scores(model, [batch], registry)
    for place, (name, fold) in enumerate(folds.items()):
        left = fold.merge(fold.merge(a[name], b[name]), c[name])
        right = fold.merge(c[name], fold.merge(b[name], a[name]))
        assert_same(whole[place], fold.finish(left).scores)
        assert_same(whole[place], fold.finish(right).scores)
        unit = fold.merge(empty[name], left)
        assert all(torch.equal(x, y) for x, y in zip(attrs.astuple(left), attrs.astuple(unit), strict=True))


def test_update_leaves_the_state_it_was_given(model, batch, registry):
    """A fold is pure: an earlier state stays good."""
    folds = {name: registry.build("scorer", name) for name in FOLDS}
    start = sweep(model, [], folds).states
    copies = {name: copy.deepcopy(attrs.astuple(state)) for name, state in start.items()}
    resumed = {name: Resuming(fold, start[name]) for name, fold in folds.items()}
    sweep(model, checked_batches([batch], torch.device("cpu")), resumed)

    for name, state in start.items():
        assert all(torch.equal(x, y) for x, y in zip(copies[name], attrs.astuple(state), strict=True))


class Resuming:
    """A fold that starts from a given state."""

    def __init__(self, fold, state):
        self.needs, self.update, self.merge, self.finish = fold.needs, fold.update, fold.merge, fold.finish
        self.start = lambda _model: state


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma2", "gpt2", "gpt_neox", "olmo2"])
def test_a_layer_that_does_nothing_scores_zero(family, layer, tiny, batch, registry):
    """An identity layer scores exactly 0, be it the first, the last or another."""
    model = tiny(family, torch.float32)
    block = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList))[layer]
    writers = ("o_proj", "down_proj", "attn.c_proj", "mlp.c_proj", "attention.dense", "dense_4h_to_h")
    for name, module in block.named_modules():
        if name.endswith(writers):
            for parameter in module.parameters():
                parameter.data.zero_()

    results = measure_importance(model, [batch], [*IDENTITY_IS_ZERO, "drop-loss"], registry=registry)
    assert [0.0] * 4 == [float(results[name].scores[layer]) for name in IDENTITY_IS_ZERO]
    assert float(results["drop-loss"].scores[layer]) == 0.0
    assert all(float(results[name].scores.max()) > 0 for name in IDENTITY_IS_ZERO)


def test_labels_are_not_used_by_scores_of_states(model, batch, registry):
    """Scores of hidden states and of weights do not depend on labels."""
    names = ["attention", "block-influence", "angular", "norm-ratio", "magnitude"]
    unlabelled = {**batch, "labels": torch.full_like(batch["labels"], -100)}

    assert torch.equal(scores(model, [batch], registry, names), scores(model, [unlabelled], registry, names))


def test_rescaling_without_changing_the_function_changes_nothing(model, batch, registry):
    """Rescaling weights without changing the function changes no score; exact for powers of two."""
    names = ["taylor", "block-influence", "angular", "norm-ratio", "attention"]
    before = scores(model, [batch], registry, names)
    mlp = model.model.layers[1].mlp
    mlp.up_proj.weight.data *= 4
    mlp.down_proj.weight.data /= 4

    assert torch.equal(before, scores(model, [batch], registry, names))


def test_the_objectives_scale_is_the_scores_scale(model, batch, registry):
    """An objective times c multiplies Taylor and gradient scores by |c|, Fisher by c²."""
    from shortstack.importance.measure import next_token

    names = ["fisher", "gradient", "taylor"]
    once = measure_importance(model, [batch], names, registry=registry)
    scaled = measure_importance(model, [batch], names, objective=lambda *a: -3 * next_token(*a), registry=registry)
    for name, factor in zip(names, (9, 3, 3), strict=True):
        torch.testing.assert_close(scaled[name].scores, factor * once[name].scores, rtol=1e-6, atol=0)


def snapshot(model):
    """Return everything about a model that a scorer might disturb."""
    hooks = [
        [len(getattr(m, kind)) for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")]
        for m in model.modules()
    ]
    return {
        "state": {name: (value.clone(), value.data_ptr()) for name, value in model.state_dict().items()},
        "training": [m.training for m in model.modules()],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "grad": [None if p.grad is None else (p.grad.data_ptr(), p.grad.clone()) for p in model.parameters()],
        "hooks": hooks,
        "attributes": [sorted(vars(m)) for m in model.modules()],
        "config": (model.config.to_dict(), model.config._attn_implementation),
        "random": (torch.get_rng_state(), random.getstate(), repr(np.random.get_state())),  # noqa: NPY002 -- global
    }


def assert_unchanged(before, after):
    """Assert that two snapshots are equal, tensors included."""
    for (name, left), right in zip(before.items(), after.values(), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=0, msg=name) if name in {"state", "grad"} else None
        assert str(left) == str(right), name


@pytest.mark.parametrize("family", ["llama", "gemma2", "mixtral", "gpt2"])
def test_the_model_is_left_as_it_was(family, tiny, batch, registry):
    """A model in training mode, partly frozen, with gradients and dropout, is left unchanged."""
    model = tiny(family, torch.float32, attention_dropout=0.5) if family != "gpt2" else tiny(family, torch.float32)
    model.train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # a newer name, which transformers 5.17 has not
        model.gradient_checkpointing_enable()
    next(model.parameters()).requires_grad_(requires_grad=False)
    model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]).loss.backward()
    before = snapshot(model)
    first = scores(model, [batch], registry, EVERY)

    assert_unchanged(before, snapshot(model))
    assert torch.equal(first, scores(model.eval(), [batch], registry, EVERY))  # repeatable, and dropout is off


def test_the_model_is_left_as_it_was_after_an_error(model, batch, registry):
    """The model is left unchanged if the second batch fails half-way through a pass."""

    def failing(model, ids, mask, labels):
        from shortstack.importance.measure import next_token

        values = next_token(model, ids, mask, labels)
        if len(ids) == 2:
            raise RuntimeError("out of memory")
        return values

    model.train()
    before = snapshot(model)
    with pytest.raises(RuntimeError, match="out of memory"):
        measure_importance(model, [batch, rows(batch, [0, 1])], FOLDS, objective=failing, registry=registry)
    assert_unchanged(before, snapshot(model))


def test_no_gradient_of_a_parameter_is_formed(model, batch, registry):
    """Backward goes to activations only: no parameter requires gradients during it."""
    flags = []
    model.model.layers[1].mlp.register_forward_hook(
        lambda m, _a, _o: flags.extend(p.requires_grad for p in m.parameters())
    )
    scores(model, [batch], registry)

    assert len(flags) >= 3
    assert not any(flags)
    assert all(p.grad is None for p in model.parameters())


def test_works_under_no_grad(model, batch, registry):
    """The caller's grad mode does not matter."""
    expected = scores(model, [batch], registry)
    with torch.no_grad():
        assert_same(expected, scores(model, [batch], registry))
