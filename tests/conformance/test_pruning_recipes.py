"""Recipes of teachers and kept layers: what is drawn, and that it can be built."""

import pytest
import torch
from hypothesis import given, settings

from shortstack.models import Decoder
from shortstack.testing import Pruning, TinyModel
from shortstack.testing.recipes.models import FAMILIES, MIXED
from shortstack.testing.strategies import prunings, selections


@settings(deadline=None)
@given(prunings(layers=(3, 5), dropping=True, idle=True, twice=True))
def test_what_is_drawn_fits_together(pruning):
    """Each example drops a layer, dropped layers are idle, and the composed selection is of the teacher's layers."""
    assert 1 <= len(pruning.again) < len(pruning.kept) < pruning.teacher.layers
    assert pruning.teacher.idle == pruning.dropped
    assert set(pruning.composed.kept) <= set(pruning.selection.kept)
    assert pruning.second.of == len(pruning.kept)


@pytest.mark.parametrize(("dropping", "most"), [(False, 15), (True, 14)])
def test_every_selection_can_be_drawn(dropping, most):
    """Four layers have 15 choices, 14 of which drop something."""
    seen = set()

    @given(selections(4, dropping=dropping))
    @settings(max_examples=200, database=None, deadline=None)
    def collect(selection):
        seen.add(selection.kept)

    collect()

    assert len(seen) == most


def test_examples_are_of_many_families():
    """Families are mixed: if all were drawn alike, Hypothesis would fill most of a law's examples with one family."""
    seen = []

    @given(prunings())
    @settings(max_examples=20, database=None, deadline=None, derandomize=True)
    def collect(pruning):
        seen.append(pruning.teacher.family)

    collect()

    assert len(set(seen)) >= 6
    assert max(map(seen.count, seen)) <= 8


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("tied", [True, False])
def test_tied_as_asked(family, tied):
    """The output rows are the embeddings, or are not, in every family."""
    model = TinyModel(family=family, tied=tied, layers=1).build()

    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == tied


def test_rotary_frequencies_are_not_rounded():
    """A bfloat16 model has the float32 frequencies that a stock model in bfloat16 has."""
    half, single = (TinyModel(dtype=dtype).build() for dtype in ("bfloat16", "float32"))

    assert half.model.embed_tokens.weight.dtype == torch.bfloat16
    assert torch.equal(half.model.rotary_emb.inv_freq, single.model.rotary_emb.inv_freq)


@pytest.mark.parametrize("family", MIXED)
def test_mixed_families_have_layers_of_two_kinds(family):
    """Layers differ in their configs' per-layer fields, or in their modules."""
    model = TinyModel(family=family, layers=2).build()
    fields = model.config.to_dict()
    first, other = Decoder.of(model).layers
    kinds = [fields.get(name) for name in ("layer_types", "no_rope_layers")]
    modules = [[type(module) for module in layer.modules()] for layer in (first, other)]

    assert any(layer_kinds and layer_kinds[0] != layer_kinds[1] for layer_kinds in kinds) or modules[0] != modules[1]


def test_a_recipe_is_as_good_as_its_text():
    """The printed repr rebuilds the same recipe."""
    pruning = Pruning(teacher=TinyModel(family="gpt2", layers=3, tied=False), kept=(0, 2), again=(1,))

    assert eval(repr(pruning)) == pruning  # noqa: S307 -- our own text
