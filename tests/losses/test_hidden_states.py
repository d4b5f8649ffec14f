"""``hidden-states`` against plain loops, its pairs, and its projections."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import LlamaConfig

from shortstack.contracts import LossBatch, ModelOutputs, Selection
from shortstack.errors import ConfigurationError
from shortstack_losses.hidden_states import (
    DESCRIPTOR,
    HiddenStates,
    HiddenStateSettings,
    cosine_distance,
    ends_of_blocks,
    hidden_states,
    last_tokens,
    relative_squared_error,
)

SELECTION = Selection(kept=(1, 3), of=4)


def config(layers, width):
    """Return a model's config; no weights are made."""
    return LlamaConfig(num_hidden_layers=layers, hidden_size=width, num_attention_heads=1, num_key_value_heads=1)


def states(layers, width, seed, dtype=torch.float64, rows=2, tokens=4):
    """Return random states of every layer."""
    generator = torch.Generator().manual_seed(seed)
    return {i: torch.randn((rows, tokens, width), generator=generator, dtype=dtype) for i in range(layers)}


MASK = torch.tensor([[True, True, True, False], [False, True, True, True]])
BATCH = LossBatch(labels=torch.zeros(0, dtype=torch.long), mask=MASK)


def measure(loss, student, teacher, module, batch=BATCH):
    """Call a loss on states."""
    return loss(ModelOutputs(states=student), ModelOutputs(states=teacher), batch, module)


def by_hand(student, teacher, term):
    """Compute the loss by plain float64 loops over layers and unmasked tokens, averaged over layers."""
    total = 0.0
    for ours, origin in enumerate(SELECTION.kept):
        for row, column in MASK.nonzero().tolist():
            total += term(student[ours][row, column].tolist(), teacher[origin][row, column].tolist())
    return total / len(SELECTION.kept)


def cosine_term(x, y):
    """Return 1 − cos."""
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    return 1 - dot / math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))


def mse_term(x, y):
    """Return mean squared error over the teacher's variance."""
    mean = sum(y) / len(y)
    return sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / sum((b - mean) ** 2 for b in y)


@given(st.integers(0, 2**31), st.sampled_from([(cosine_distance, cosine_term), (relative_squared_error, mse_term)]))
def test_pairs_and_terms(seed, distance):
    """Student layer j is paired with teacher layer kept[j], over unmasked tokens."""
    loss = HiddenStates(distance=distance[0])
    student, teacher = states(2, 6, seed), states(4, 6, seed + 1)
    module = loss.prepare(config(4, 6), config(2, 6), SELECTION)

    assert (
        pytest.approx(by_hand(student, teacher, distance[1]), rel=1e-9)
        == measure(loss, student, teacher, module).item()
    )
    assert loss.count(BATCH).item() == int(MASK.sum())


@given(st.integers(0, 2**31))
def test_cosine_is_bounded_and_blind_to_size(seed):
    """Cosine distance lies in [0, 2] and does not depend on magnitudes."""
    x, y = torch.randn((2, 50, 3), generator=torch.Generator().manual_seed(seed))

    assert cosine_distance(x, y).min() >= 0
    assert cosine_distance(x, y).max() <= 2
    assert torch.allclose(cosine_distance(x, y), cosine_distance(8 * x, y / 4), atol=1e-6)
    assert cosine_distance(x, x).max() <= 1e-6


@given(st.integers(0, 2**31), st.sampled_from([2.0**-20, 0.5, 2.0**20]))
def test_squared_error_is_free_of_scale(seed, factor):
    """Relative squared error does not depend on a common scale of both sides; exact for powers of two."""
    x, y = torch.randn((2, 5, 8), generator=torch.Generator().manual_seed(seed))

    assert torch.equal(relative_squared_error(x, y), relative_squared_error(factor * x, factor * y))
    assert torch.equal(torch.zeros(5), relative_squared_error(y, y))


@pytest.mark.parametrize("distance", [cosine_distance, relative_squared_error])
def test_masked_tokens_have_no_part(distance):
    """Masked tokens change neither value nor gradient, even if they are not finite."""
    loss = HiddenStates(distance=distance)
    module = loss.prepare(config(4, 6), config(2, 6), SELECTION)
    student, teacher = states(2, 6, 0), states(4, 6, 1)
    expected = measure(loss, student, teacher, module)
    for values in (*student.values(), *teacher.values()):
        values[~MASK] = torch.nan
    for values in student.values():
        values.requires_grad_()

    actual = measure(loss, student, teacher, module)
    actual.backward()

    assert torch.equal(expected, actual)
    for values in student.values():
        assert torch.equal(torch.zeros_like(values.grad[~MASK]), values.grad[~MASK])
        assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize("distance", [cosine_distance, relative_squared_error])
def test_no_gradient_flows_into_the_teacher(distance):
    """The teacher gets no gradient, even if the caller leaves it attached."""
    loss = HiddenStates(distance=distance)
    module = loss.prepare(config(4, 6), config(2, 6), SELECTION)
    student, teacher = states(2, 6, 0), states(4, 6, 1)
    for values in (*student.values(), *teacher.values()):
        values.requires_grad_()
    measure(loss, student, teacher, module).backward()

    assert all(values.grad.abs().max() > 0 for values in student.values())
    assert all(values.grad is None for values in teacher.values())


def test_everything_masked_is_nothing():
    """A fully masked batch gives sum 0, count 0 and no NaN."""
    loss = HiddenStates(distance=cosine_distance)
    module = loss.prepare(config(4, 6), config(2, 6), SELECTION)
    nothing = LossBatch(labels=BATCH.labels, mask=torch.zeros_like(MASK))

    assert measure(loss, states(2, 6, 0), states(4, 6, 1), module, nothing).item() == 0.0
    assert loss.count(nothing).item() == 0


@pytest.mark.parametrize("distance", [cosine_distance, relative_squared_error])
def test_rows_add_up(distance):
    """Additivity: the loss of two rows is the sum of both."""
    loss = HiddenStates(distance=distance)
    module = loss.prepare(config(4, 6), config(2, 6), SELECTION)
    student, teacher = states(2, 6, 0), states(4, 6, 1)

    def row(index):
        batch = LossBatch(labels=BATCH.labels, mask=MASK[index : index + 1])
        picked = [{i: s[index : index + 1] for i, s in side.items()} for side in (student, teacher)]
        return measure(loss, *picked, module, batch)

    assert torch.allclose(measure(loss, student, teacher, module), row(0) + row(1), rtol=1e-12)


def test_projections_only_where_widths_differ():
    """One linear map per student layer, from its width to the teacher's; none where widths are equal."""
    loss = HiddenStates(distance=cosine_distance)
    same = loss.prepare(config(4, 6), config(2, 6), SELECTION)
    narrower = loss.prepare(config(4, 6), config(2, 4), SELECTION)

    assert list(same.parameters()) == []
    assert [("1.weight", (6, 4)), ("3.weight", (6, 4))] == [(n, tuple(p.shape)) for n, p in narrower.named_parameters()]
    assert torch.isfinite(measure(loss, states(2, 4, 0, torch.float32), states(4, 6, 1, torch.float32), narrower)), (
        "the narrower student is projected"
    )


def test_half_precision_is_measured_in_float32():
    """Losses on half-precision states are computed in float32."""
    loss = HiddenStates(distance=relative_squared_error)
    module = loss.prepare(config(4, 6), config(2, 6), SELECTION)
    student, teacher = states(2, 6, 0, torch.bfloat16), states(4, 6, 1, torch.bfloat16)

    assert measure(loss, student, teacher, module).dtype == torch.float32


def test_it_needs_a_teacher_and_a_selection():
    """Without them there is nothing to pair."""
    for teacher, selection in ((None, SELECTION), (config(4, 6), None)):
        with pytest.raises(
            ConfigurationError, match=r"^the loss 'hidden-states' pairs .* needs a teacher and the selection"
        ):
            HiddenStates(distance=cosine_distance).prepare(teacher, config(2, 6), selection)


@pytest.mark.parametrize(("teacher", "student"), [(4, 3), (5, 2)])
def test_the_selection_must_be_of_these_models(teacher, student):
    """The numbers of layers are compared."""
    with pytest.raises(
        ConfigurationError,
        match=f"^the selection keeps 2 of 4 layers, but the student has {student} and the teacher {teacher}; give",
    ):
        HiddenStates(distance=cosine_distance).prepare(config(teacher, 6), config(student, 6), SELECTION)


def test_it_needs_states_and_its_module():
    """A loss called without what it needs says so."""
    with pytest.raises(TypeError, match=r"^hidden-states needs the states of both models and the module"):
        measure(HiddenStates(distance=cosine_distance), states(2, 6, 0), None, nn.ModuleDict())
    with pytest.raises(TypeError, match=r"^hidden-states needs the states of both models and the module"):
        measure(HiddenStates(distance=cosine_distance), states(2, 6, 0), states(4, 6, 1), None)


def test_distances_that_are_none():
    """The setting names the two that there are."""
    with pytest.raises(ValueError, match=r"'distance' must be in \['cosine', 'mse'\]"):
        HiddenStateSettings(distance="euclid")


SLMREC = HiddenStateSettings(distance="cosine", norm=0.1, blocks=2, tokens="last")


def slmrec_by_hand(student, teacher, blocks, mask=MASK):
    """Compute SLMRec's term by loops, as its code does: the last layers of blocks at each row's last token."""
    total = 0.0
    for row, places in enumerate(mask.tolist()):
        last = max(place for place, unmasked in enumerate(places) if unmasked)
        for block in range(1, blocks + 1):
            x = student[len(student) // blocks * block - 1][row, last].tolist()
            y = teacher[len(teacher) // blocks * block - 1][row, last].tolist()
            total += cosine_term(x, y) + 0.1 * math.dist(x, y)
    return total


@given(st.integers(0, 2**31))
def test_recipe_of_slmrec(seed):
    """Cosine and norm at the ends of equal blocks of both models; the weight is the number of blocks times its own."""
    loss = hidden_states(SLMREC)
    student, teacher = states(4, 6, seed), states(8, 6, seed + 1)
    module = loss.prepare(config(8, 6), config(4, 6), None)
    value = measure(loss, student, teacher, module)

    assert pytest.approx(slmrec_by_hand(student, teacher, 2), rel=1e-9) == 2 * value.item()
    assert loss.count(BATCH).item() == 2
    assert list(module) == ["3", "7"]


@given(st.integers(0, 2**31), st.sampled_from(["cosine", "mse"]), st.floats(0.01, 3.0))
def test_norm_is_added_to_the_distance(seed, distance, weight):
    """The weighted Euclidean norm of the difference, by loops; the gradient is that of finite differences."""
    loss = hidden_states(HiddenStateSettings(distance=distance, norm=weight))
    student, teacher = states(2, 6, seed), states(4, 6, seed + 1)
    module = loss.prepare(config(4, 6), config(2, 6), SELECTION)
    term = {"cosine": cosine_term, "mse": mse_term}[distance]
    expected = by_hand(student, teacher, lambda x, y: term(x, y) + weight * math.dist(x, y))

    assert pytest.approx(expected, rel=1e-9) == measure(loss, student, teacher, module).item()
    assert torch.autograd.gradcheck(
        lambda last: measure(loss, {**student, 1: last}, teacher, module), student[1].requires_grad_(), atol=1e-5
    )


def test_norm_of_nothing_has_no_gradient():
    """Where the states are equal, value and gradient are 0, never NaN."""
    loss = hidden_states(HiddenStateSettings(norm=1.0))
    teacher = states(4, 6, 0)
    student = {ours: teacher[origin].clone().requires_grad_() for ours, origin in enumerate(SELECTION.kept)}
    value = measure(loss, student, teacher, loss.prepare(config(4, 6), config(2, 6), SELECTION))
    value.backward()

    assert value.item() <= 1e-12
    for values in student.values():
        assert values.grad.abs().max() <= 1e-12


def test_promises_depend_on_the_settings():
    """A norm grows with the states; blocks pair layers by depth, not by origin."""
    plain, slmrec = DESCRIPTOR.traits_with(HiddenStateSettings()), DESCRIPTOR.traits_with(SLMREC)

    assert (plain.degree, plain.paired) == (0, True)
    assert (slmrec.degree, slmrec.paired) == (None, False)


@given(st.integers(1, 40), st.data())
def test_blocks_end_in_order_at_the_last_layer(layers, data):
    """As many different layers as blocks, sizes differing by one at most; all layers for as many blocks."""
    blocks = data.draw(st.integers(1, layers))
    ends = ends_of_blocks(layers, blocks)
    sizes = [end - before for before, end in zip((-1, *ends), ends, strict=False)]

    assert len(ends) == blocks
    assert ends[-1] == layers - 1
    assert max(sizes) - min(sizes) <= 1
    assert ends_of_blocks(layers, layers) == tuple(range(layers))


def test_last_tokens_on_either_side():
    """Wherever padding is, each row with a token has one; rows of padding have none."""
    mask = torch.tensor([[True, True, False], [False, True, True], [False, False, False], [True, True, True]])

    assert last_tokens(mask).nonzero().tolist() == [[0, 1], [1, 2], [3, 2]]


def test_blocks_need_a_teacher_and_enough_layers():
    """Each message says what is missing."""
    loss = hidden_states(SLMREC)
    with pytest.raises(
        ConfigurationError, match=r"^the loss 'hidden-states' compares blocks .*, so it needs a teacher$"
    ):
        loss.prepare(None, config(2, 6), None)
    with pytest.raises(
        ConfigurationError,
        match=r"^the loss 'hidden-states' cannot cut 1 layers of the student and 4 of the teacher into 2 blocks; lower its "
        r"setting 'blocks'$",
    ):
        loss.prepare(config(4, 6), config(1, 6), None)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"norm": -0.1}, r"'norm' must be >= 0.0: -0.1"),
        ({"norm": float("inf")}, r"'norm' must be < inf: inf"),
        ({"blocks": 0}, r"'blocks' must be >= 1: 0"),
        ({"tokens": "first"}, r"'tokens' must be in \['all', 'last'\]"),
    ],
)
def test_settings_that_are_none(setting, message):
    """Each message names the setting and what is allowed."""
    with pytest.raises(ValueError, match=message):
        HiddenStateSettings(**setting)
