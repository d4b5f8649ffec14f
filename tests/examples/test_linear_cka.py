"""Linear CKA against the definition by Gram matrices, which shares no line with the fold."""

import numpy as np
import pytest
import torch

from shortstack import measure_importance
from shortstack.errors import EmptyDataError


@pytest.fixture(scope="module")
def moments(third_parties):
    """The plugin's arithmetic."""
    return third_parties("linear-cka").moments


def by_gram_matrices(entering, leaving):
    """Return ``1 − HSIC(K, L) / √(HSIC(K, K) HSIC(L, L))`` with ``K = XXᵀ`` and ``L = YYᵀ``, in float64."""
    tokens = len(entering)
    centring = np.eye(tokens) - 1 / tokens
    left = centring @ entering @ entering.T @ centring
    right = centring @ leaving @ leaving.T @ centring
    return 1 - (left * right).sum() / np.sqrt((left**2).sum() * (right**2).sum())


def states(tokens=30, width=5, offset=0.0, seed=0):
    """Return random hidden states before and after a layer."""
    generator = torch.Generator().manual_seed(seed)
    entering = torch.randn(tokens, width, generator=generator, dtype=torch.float64) + offset
    return entering, entering + torch.randn(tokens, width, generator=generator, dtype=torch.float64).square()


@pytest.mark.parametrize("offset", [0.0, 1e4], ids=["centred", "far"])
@pytest.mark.parametrize("tokens", [3, 30])
def test_equals_the_definition(moments, tokens, offset):
    """The result equals the definition, even where states are far from 0 and raw products would lose ten digits."""
    entering, leaving = states(tokens, offset=offset)
    # the Gram matrices are of centred states: the definition itself loses precision far from 0
    expected = by_gram_matrices((entering - entering.mean(0)).numpy(), (leaving - leaving.mean(0)).numpy())

    assert 1e-4 < expected < 0.9
    assert moments.dissimilarity(moments.moments_of(entering, leaving)) == pytest.approx(expected, rel=1e-9)


def test_parts_merge_to_the_whole(moments):
    """Moments of parts merge to those of the whole, empty parts included."""
    entering, leaving = states(offset=1e3)
    whole = moments.moments_of(entering, leaving)
    parts = [moments.moments_of(entering[s], leaving[s]) for s in (slice(0, 7), slice(7, 7), slice(7, 30))]
    merged = moments.merged(moments.merged(parts[0], parts[1]), parts[2])

    assert merged.tokens == whole.tokens
    torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-13, atol=0)
    torch.testing.assert_close(merged.scatter, whole.scatter, rtol=1e-10, atol=1e-10)


def test_nothing_is_the_unit(moments):
    """Merging with no tokens changes no bit, from either side."""
    part, nothing = moments.moments_of(*states()), moments.moments_of(torch.empty(0, 5), torch.empty(0, 5))

    for merged in (moments.merged(part, nothing), moments.merged(nothing, part)):
        assert torch.equal(merged.mean, part.mean)
        assert torch.equal(merged.scatter, part.scatter)


def test_blind_to_shift_rotation_and_scale(moments):
    """CKA is invariant to shift, rotation and scale: such a layer adds nothing that a linear map could not."""
    entering, _ = states()
    rotation = torch.linalg.qr(states(5, seed=1)[0])[0]

    assert moments.dissimilarity(moments.moments_of(entering, 3 * entering @ rotation + 7)) == 0.0


def test_orthogonal_states_are_unlike(moments):
    """Two representations whose tokens vary independently score 1."""
    entering = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    leaving = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])

    assert moments.dissimilarity(moments.moments_of(entering, leaving)) == 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_that_do_not_differ(moments, dtype):
    """0/0: two flat representations are alike, one flat one is unlike; noise of the dtype's size is no difference."""
    flat = torch.full((6, 5), 3.0, dtype=dtype)
    noisy = flat * (1 + 3 * torch.finfo(dtype).eps * torch.arange(30).reshape(6, 5).sin().to(dtype))
    other = states(6)[0].to(dtype)

    assert not torch.equal(flat, noisy)
    assert moments.dissimilarity(moments.moments_of(flat, noisy)) == 0.0
    assert moments.dissimilarity(moments.moments_of(flat, other)) == 1.0
    assert moments.dissimilarity(moments.moments_of(other, noisy)) == 1.0


@pytest.mark.parametrize("scale", [1e37, 1e-37])
def test_the_largest_and_smallest_float32(moments, scale):
    """Their fourth powers neither overflow nor vanish."""
    entering, leaving = states()
    expected = moments.dissimilarity(moments.moments_of(entering, leaving))

    assert moments.dissimilarity(moments.moments_of(entering * scale, leaving * scale)) == pytest.approx(expected)


def test_scores_of_a_model(registry):
    """A sweep over a padded corpus gives the definition over hidden states captured by hooks."""
    from shortstack.testing import Batching, Corpus, TinyModel

    model = TinyModel(family="gpt2", layers=3, seed=1).build()
    batches = Batching(sizes=(2, 1)).batches(Corpus(lengths=(5, 9, 4), seed=3).examples())
    seen = {index: ([], []) for index in range(3)}
    handles = [
        layer.register_forward_hook(lambda _m, args, output, index=index: _record(seen[index], args[0], output, masks))
        for index, layer in enumerate(model.transformer.h)
    ]
    for batch in batches:
        masks = batch["attention_mask"].bool()
        with torch.no_grad():
            model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    for handle in handles:
        handle.remove()
    expected = [by_gram_matrices(*(torch.cat(part).numpy() for part in seen[index])) for index in range(3)]
    importance = measure_importance(model, batches, ["linear-cka"], registry=registry)["linear-cka"]

    assert importance.examples == 3
    torch.testing.assert_close(importance.scores, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)


def _record(seen, entering, output, mask):
    leaving = output[0] if isinstance(output, tuple) else output
    seen[0].append(entering[mask])
    seen[1].append(leaving[mask])


def test_no_tokens(third_parties):
    """A layer that saw nothing has no score."""
    plugin = third_parties("linear-cka")
    with pytest.raises(EmptyDataError, match="have no tokens, so there is nothing to compare; give more"):
        plugin.LinearCka().finish(plugin.LayersSeen(layers=2))
