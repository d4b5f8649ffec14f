"""Recipes of models and examples, and the changes that laws make to them."""

import copy

import pytest
import torch
from hypothesis import find, given, settings

from shortstack.models.decoder import Decoder
from shortstack.testing import Batching, Corpus, TinyModel
from shortstack.testing.fingerprints import differences, fingerprint
from shortstack.testing.recipes.models import COMMON, FAMILIES
from shortstack.testing.same_function import HEADED, SCALABLE, permute_heads, permute_neurons, relabel, rescale_neurons
from shortstack.testing.strategies import batchings, corpora, models

IDS = torch.arange(1, 8)[None]


def logits(model, ids=IDS):
    """Return a model's logits."""
    with torch.no_grad():
        return model(input_ids=ids).logits


class TestModels:
    """``TinyModel``."""

    @pytest.mark.parametrize("family", FAMILIES)
    def test_every_layer_does_something(self, family):
        """Skipping a layer changes the logits; the recipe's repr builds the same model."""
        recipe = TinyModel(family=family, layers=3)
        whole = logits(eval(repr(recipe)).build())  # noqa: S307 -- that is the point
        for layer in range(3):
            idle = logits(TinyModel(family=family, layers=3, idle=(layer,)).build())

            assert (whole - idle).abs().max() > 1e-3

        assert torch.equal(whole, logits(recipe.build()))

    @pytest.mark.parametrize("family", COMMON)
    def test_idle_layers_pass_on_what_enters(self, family):
        """An idle layer returns its input bit for bit."""
        seen = {}
        model = TinyModel(family=family, layers=2, idle=(1,)).build()
        layer = Decoder.of(model).layers[1]
        layer.register_forward_pre_hook(
            lambda _m, args, kwargs: seen.update(entered=args[0] if args else kwargs["hidden_states"]),
            with_kwargs=True,
        )
        layer.register_forward_hook(
            lambda _m, _i, out: seen.update(left=out if isinstance(out, torch.Tensor) else out[0])
        )
        logits(model)

        assert torch.equal(seen["entered"], seen["left"])

    @pytest.mark.parametrize("family", FAMILIES)
    def test_odd_numbers(self, family):
        """Sizes are no multiple of 8; epsilons and the rotary base are not the defaults of any family."""
        plain, odd = (TinyModel(family=family, odd=odd).config().to_dict() for odd in (False, True))
        changed = {name for name, value in odd.items() if value != plain[name]}

        assert odd["vocab_size"] == 43
        assert changed & {"intermediate_size", "n_inner", "ffn_dim"}
        assert ("rope_parameters" in changed) == ("rope_parameters" in plain)
        assert any("eps" in name for name in changed) == any("eps" in name for name in plain)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_copies_share_nothing(self, family):
        """A copy gives the logits that the original gave before its weights changed; tied rows stay tied."""
        recipe = TinyModel(family=family, tied=True)
        changed, before = recipe.build(), logits(recipe.build())
        for parameter in changed.parameters():
            parameter.data.zero_()

        assert torch.equal(before, logits(recipe.build()))
        assert changed.get_output_embeddings().weight is changed.get_input_embeddings().weight

    def test_there_are_enough_families(self):
        """There are at least eight families."""
        assert len(COMMON) >= 8

    def test_unknown_family(self):
        """The error lists the known families."""
        with pytest.raises(ValueError, match="'family' must be in"):
            TinyModel(family="bert")

    def test_strategies_shrink_to_the_simplest(self):
        """Models shrink to one layer of the first family."""
        assert find(models(), lambda _model: True) == TinyModel(family="llama", layers=1)
        assert find(models(), lambda model: model.layers > 1) == TinyModel(family="llama", layers=2)


class TestExamples:
    """``Corpus`` and ``Batching``."""

    @settings(max_examples=30, deadline=None)
    @given(corpus=corpora(), batching=batchings(blanks=(0, 2)))
    def test_batching_loses_nothing(self, corpus, batching):
        """Every example occurs once, under its mask, on either padding side."""
        batches = batching.batches(corpus.examples())
        rows = [
            (ids[mask == 1].tolist(), labels[mask == 1].tolist())
            for batch in batches
            for ids, mask, labels in zip(*(batch[k] for k in ("input_ids", "attention_mask", "labels")), strict=True)
            if mask.any()
        ]

        assert sorted(rows) == sorted((e.ids.tolist(), e.labels.tolist()) for e in corpus.examples())
        assert all((batch["labels"][batch["attention_mask"] == 0] == -100).all() for batch in batches)
        assert all((~batch["attention_mask"].bool().any(-1)).sum() == batching.blanks for batch in batches)

    @settings(max_examples=30, deadline=None)
    @given(corpus=corpora())
    def test_at_least_one_is_labelled(self, corpus):
        """Without a labelled example most laws would test nothing."""
        assert len(corpus.unlabelled) < len(corpus.lengths)
        assert any((e.labels != -100).any() for e in corpus.examples())

    def test_padding_goes_where_it_is_asked_for(self):
        """Padding is on the left, with the requested token."""
        (batch,) = Batching(side="left", extra=1, pad=7).batches(Corpus(lengths=(3, 5)).examples())

        assert batch["attention_mask"].tolist() == [[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1]]
        assert batch["input_ids"][0, :3].tolist() == [7, 7, 7]


class TestSameFunction:
    """Changes that preserve the function do change the weights."""

    @pytest.mark.parametrize("family", COMMON)
    def test_neurons_in_another_order(self, family):
        """The logits stay up to rounding."""
        given_model, changed = (TinyModel(family=family, layers=2).build() for _ in range(2))
        permute_neurons(changed, seed=1)

        torch.testing.assert_close(logits(changed), logits(given_model), rtol=1e-12, atol=1e-12)
        assert sum(changed_weights(given_model, changed)) >= 4

    @pytest.mark.parametrize("family", HEADED)
    def test_heads_in_another_order(self, family):
        """The logits stay up to rounding."""
        given_model, changed = (TinyModel(family=family, layers=2).build() for _ in range(2))
        permute_heads(changed, seed=1)

        torch.testing.assert_close(logits(changed), logits(given_model), rtol=1e-12, atol=1e-12)
        assert sum(changed_weights(given_model, changed)) >= 4

    @pytest.mark.parametrize("family", SCALABLE)
    def test_rescaled_neurons(self, family):
        """The logits stay bit for bit."""
        given_model, changed = (TinyModel(family=family, layers=2).build() for _ in range(2))
        rescale_neurons(changed, power=3)

        assert torch.equal(logits(changed), logits(given_model))
        assert sum(changed_weights(given_model, changed)) >= 4

    @pytest.mark.parametrize("family", FAMILIES)
    def test_renamed_tokens(self, family):
        """With permuted token ids the model gives the same logits, permuted."""
        given_model, changed = (TinyModel(family=family, layers=2).build() for _ in range(2))
        (batch,) = relabel(changed, [{"input_ids": IDS, "labels": IDS}], seed=3)
        order = torch.randperm(40, generator=torch.Generator().manual_seed(3))

        torch.testing.assert_close(logits(changed, batch["input_ids"])[..., order], logits(given_model))
        assert torch.equal(batch["labels"], batch["input_ids"])
        assert not torch.equal(batch["input_ids"], IDS)


def changed_weights(before, after):
    """Return for each parameter whether it changed."""
    return [not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True)]


def draw_random(_model):
    """Advance torch's global random state."""
    torch.rand(1)


CHANGES = {
    "the weight model.norm.weight": lambda model: model.model.norm.weight.data.add_(1),
    "requires_grad of model.norm.weight": lambda model: model.model.norm.weight.requires_grad_(requires_grad=False),
    "the gradient of model.norm.weight": lambda model: setattr(
        model.model.norm.weight, "grad", torch.ones(16).double()
    ),
    "the mode of model.norm": lambda model: model.model.norm.train(),
    "the hooks of model.norm": lambda model: model.model.norm.register_forward_hook(lambda *_: None),
    "forward of model.norm": lambda model: setattr(model.model.norm, "forward", lambda x: x),
    "the config": lambda model: setattr(model.config, "rms_norm_eps", 0.5),
    "torch's random state": draw_random,
}


@pytest.mark.parametrize("what", CHANGES)
def test_fingerprints_see_every_change(what):
    """Fingerprints differ after every change and name it; a copy has the same fingerprint."""
    model = TinyModel().build()
    before = fingerprint(model)

    assert differences(before, fingerprint(copy.deepcopy(model))) == []
    with torch.random.fork_rng(devices=[]):
        CHANGES[what](model)
        assert differences(before, fingerprint(model)) == [what]
