"""``attention-relations`` against plain loops, on its own and in trainings of several families."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import LlamaConfig

from shortstack.config.reader import structure
from shortstack.contracts import AttentionInputs, LossBatch, ModelOutputs, Selection
from shortstack.errors import ConfigurationError, UnsupportedModelError
from shortstack_losses.attention_relations import AttentionRelations, AttentionRelationSettings, whole_heads
from shortstack_losses.layer_pairs import LayerPairs

ALL = ("queries", "keys", "values", "queries-keys")
MASK = torch.tensor([[True, True, True, False], [False, True, True, True]])
BATCH = LossBatch(labels=torch.zeros(0, dtype=torch.long), mask=MASK)


def loss(**settings):
    """Return the loss with some settings."""
    return AttentionRelations(settings=AttentionRelationSettings(**settings))


def config(layers):
    """Return a model's config; no weights are made."""
    return LlamaConfig(num_hidden_layers=layers, hidden_size=8, num_attention_heads=1, num_key_value_heads=1)


def attention(layers, heads, key_heads, size, seed, dtype=torch.float64):
    """Return random queries, keys and values of every layer; values are half as wide again as keys."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(count, width):
        return torch.randn((*MASK.shape[:1], count, MASK.shape[1], width), generator=generator).to(dtype)

    return {
        layer: AttentionInputs(
            queries=numbers(heads, size), keys=numbers(key_heads, size), values=numbers(key_heads, size * 3 // 2)
        )
        for layer in range(layers)
    }


def measure(relations, student, teacher, module, batch=BATCH):
    """Call a loss on attention."""
    return relations(ModelOutputs(attention=student), ModelOutputs(attention=teacher), batch, module)


def tensors(side):
    """Return all tensors of a model's attention."""
    return [part for inputs in side.values() for part in (inputs.queries, inputs.keys, inputs.values)]


def vectors(inputs, relation, row, token, heads):
    """Return the vectors ``(a, b)`` of each relation head of a token, as lists of plain numbers."""
    first, second = {
        "queries": (inputs.queries, inputs.queries),
        "keys": (inputs.keys, inputs.keys),
        "values": (inputs.values, inputs.values),
        "queries-keys": (inputs.queries, inputs.keys),
    }[relation]
    repeated = [h * second.shape[1] // first.shape[1] for h in range(first.shape[1])]
    a = [x for h in range(first.shape[1]) for x in first[row, h, token].tolist()]
    b = [x for h in repeated for x in second[row, h, token].tolist()]
    width = len(a) // heads
    return [(a[h * width : (h + 1) * width], b[h * width : (h + 1) * width]) for h in range(heads)]


def distribution(inputs, relation, row, token, head, heads):
    """Return a token's relations to itself and to the unmasked tokens before it."""
    a = vectors(inputs, relation, row, token, heads)[head][0]
    logits = []
    for other in range(token + 1):
        if MASK[row, other]:
            b = vectors(inputs, relation, row, other, heads)[head][1]
            logits.append(sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(len(a)))
    total = sum(map(math.exp, logits))
    return [math.exp(z) / total for z in logits]


def by_hand(student, teacher, pairs, relations, heads):
    """Compute the loss by plain loops over layers, relations, heads and unmasked tokens."""
    total = 0.0
    for ours, theirs in pairs:
        for relation in relations:
            for row, token in MASK.nonzero().tolist():
                for head in range(heads):
                    q = distribution(student[ours], relation, row, token, head, heads)
                    p = distribution(teacher[theirs], relation, row, token, head, heads)
                    total += sum(x * math.log(x / y) for x, y in zip(p, q, strict=True)) / heads / len(pairs)
    return total


@given(st.integers(0, 2**31), st.sampled_from([*[(r,) for r in ALL], ALL]), st.sampled_from([1, 2, 4]))
def test_relations_by_plain_loops(seed, relations, heads):
    """A wider teacher of more heads, whose last layer teaches the student's last; keys are shared by two queries."""
    subject = loss(relations=relations, heads=heads)
    student, teacher = attention(2, 4, 2, 4, seed), attention(3, 8, 4, 4, seed + 1)
    module = subject.prepare(config(3), config(2), None)

    expected = by_hand(student, teacher, [(1, 2)], relations, heads)
    assert pytest.approx(expected, rel=1e-9) == measure(subject, student, teacher, module).item()
    assert subject.count(BATCH).item() == int(MASK.sum())


@given(st.integers(0, 2**31))
def test_kept_layers_by_plain_loops(seed):
    """Student layer ``j`` learns from teacher layer ``kept[j]``; the heads are grouped as far as none is cut."""
    subject = loss(layers="kept")
    student, teacher = attention(2, 6, 6, 2, seed), attention(4, 4, 2, 2, seed + 1)
    module = subject.prepare(config(4), config(2), Selection(kept=(0, 2), of=4))

    expected = by_hand(student, teacher, [(0, 0), (1, 2)], ALL[:3], 2)  # 2 divides 6, 4 and 2
    assert whole_heads(student[0], teacher[0]) == 2
    assert pytest.approx(expected, rel=1e-9) == measure(subject, student, teacher, module).item()


def test_another_layer_of_the_teacher():
    """``teacher_layer`` counts from 0, as the paper's upper middle layer of a large teacher."""
    subject, plain = loss(teacher_layer=1), loss()
    student, teacher = attention(2, 2, 1, 4, 0), attention(3, 2, 1, 4, 1)
    expected = measure(plain, student, {2: teacher[1]}, plain.prepare(config(3), config(2), None))

    assert ((1, 1),) == subject.prepare(config(3), config(2), None).pairs
    assert torch.equal(expected, measure(subject, student, teacher, subject.prepare(config(3), config(2), None)))


@given(st.integers(0, 2**31), st.sampled_from(ALL))
def test_equal_models_have_nothing_to_learn(seed, relation):
    """Sum and gradients are 0 where the student's attention is the teacher's."""
    subject = loss(relations=(relation,))
    module = subject.prepare(config(2), config(2), None)
    student, teacher = (attention(2, 4, 2, 4, seed) for _ in range(2))
    for part in tensors(student):
        part.requires_grad_()
    value = measure(subject, student, teacher, module)
    value.backward()

    assert value.item() == 0.0
    assert all(part.grad is None or part.grad.abs().max() < 1e-14 for part in tensors(student))


@pytest.mark.parametrize("relation", ALL)
def test_masked_tokens_have_no_part(relation):
    """Masked tokens change neither value nor gradient, even if they are not finite; nor does anything in layers unpaired."""
    subject = loss(relations=(relation,))
    module = subject.prepare(config(2), config(2), None)
    student, teacher = attention(2, 4, 2, 4, 0), attention(2, 4, 2, 4, 1)
    expected = measure(subject, student, teacher, module)
    for part in (*tensors(student), *tensors(teacher)):
        part.transpose(1, 2)[~MASK] = torch.nan
    for part in tensors(student):
        part.requires_grad_()
    actual = measure(subject, student, teacher, module)
    actual.backward()

    assert torch.equal(expected, actual)
    reached = [part.grad for part in tensors(student) if part.grad is not None]
    assert all(grad.isfinite().all() and not grad.transpose(1, 2)[~MASK].any() for grad in reached)
    assert any(grad.any() for grad in reached)
    assert all(part.grad is None for part in tensors({0: student[0]}))


def test_later_tokens_have_no_part():
    """With the first tokens as the whole batch, the loss is the same as with later tokens masked: none looks ahead."""
    subject = loss()
    module = subject.prepare(config(1), config(1), None)
    student, teacher = attention(1, 4, 2, 4, 0), attention(1, 4, 2, 4, 1)
    mask = torch.tensor([[True, True, False, False], [True, True, False, False]])
    whole = torch.ones_like(mask)
    masked, cut = (LossBatch(labels=BATCH.labels, mask=m) for m in (mask, mask[:, :2]))
    first = [
        {0: AttentionInputs(queries=s[0].queries[:, :, :2], keys=s[0].keys[:, :, :2], values=s[0].values[:, :, :2])}
        for s in (student, teacher)
    ]
    value = measure(subject, student, teacher, module, masked)

    assert torch.allclose(measure(subject, *first, module, cut), value, rtol=1e-12)
    # the later tokens add terms of their own, and those are no negative ones
    assert measure(subject, student, teacher, module, LossBatch(labels=BATCH.labels, mask=whole)) > value


def test_no_gradient_flows_into_the_teacher():
    """The teacher gets no gradient, even if the caller leaves it attached."""
    subject = loss(relations=ALL)
    student, teacher = attention(1, 4, 2, 4, 0), attention(1, 4, 2, 4, 1)
    for part in (*tensors(student), *tensors(teacher)):
        part.requires_grad_()
    measure(subject, student, teacher, subject.prepare(config(1), config(1), None)).backward()

    assert all(part.grad.abs().max() > 0 for part in tensors(student))
    assert all(part.grad is None for part in tensors(teacher))


def test_half_precision_is_measured_in_float32():
    """Also under autocast, which a training in bfloat16 switches on and which multiplies in bfloat16."""
    subject = loss(relations=ALL)
    module = subject.prepare(config(1), config(1), None)
    student, teacher = attention(1, 4, 2, 8, 0, torch.bfloat16), attention(1, 4, 2, 8, 1, torch.bfloat16)
    expected = measure(subject, *(_wide(side) for side in (student, teacher)), module)
    with torch.autocast("cpu", torch.bfloat16):
        actual = measure(subject, student, teacher, module)

    assert torch.float32 == expected.dtype == actual.dtype
    assert torch.equal(expected, actual)


def _wide(side):
    return {
        layer: AttentionInputs(queries=x.queries.float(), keys=x.keys.float(), values=x.values.float())
        for layer, x in side.items()
    }


def test_it_needs_a_teacher():
    """Without one there is nothing to learn from."""
    with pytest.raises(
        ConfigurationError, match=r"^the loss 'attention-relations' learns .* needs a teacher; give one"
    ):
        loss().prepare(None, config(2), None)


def test_kept_layers_need_their_selection():
    """The selection is there, and of these models."""
    with pytest.raises(ConfigurationError, match=r"^the loss 'attention-relations' with layers = 'kept' needs the sel"):
        loss(layers="kept").prepare(config(4), config(2), None)
    with pytest.raises(
        ConfigurationError,
        match=r"^the selection keeps 2 of 4 layers, but the student has 3 and the teacher 4; give the selection",
    ):
        loss(layers="kept").prepare(config(4), config(3), Selection(kept=(1, 3), of=4))


def test_a_teacher_layer_that_there_is_not():
    """Layers are counted from 0."""
    with pytest.raises(
        ConfigurationError,
        match=r"^attention-relations has teacher_layer = 4, but the teacher's 4 layers are counted from 0; choose one up to 3$",
    ):
        loss(teacher_layer=4).prepare(config(4), config(2), None)


def test_a_layer_without_attention():
    """As in a hybrid of attention and recurrence."""
    subject = loss()
    module = subject.prepare(config(3), config(1), None)
    with pytest.raises(
        UnsupportedModelError, match=r"^layer 2 of the teacher has no attention, only 0, 1 have; choose teacher_layer"
    ):
        measure(subject, attention(1, 2, 1, 4, 0), attention(2, 2, 1, 4, 1), module)
    with pytest.raises(UnsupportedModelError, match=r"^layer 0 of the student has no attention, only none have"):
        measure(subject, {}, attention(3, 2, 1, 4, 1), module)


def test_heads_that_divide_no_width():
    """The message says whose width it is."""
    subject = loss(heads=3)
    with pytest.raises(
        ConfigurationError,
        match=r"^attention-relations has heads = 3, but the heads of the queries of a layer are 8 wide together, which it",
    ):
        measure(
            subject, attention(1, 2, 1, 4, 0), attention(1, 3, 3, 4, 1), subject.prepare(config(1), config(1), None)
        )


def test_it_needs_attention_and_its_module():
    """A loss called without what it needs says so."""
    for student, module in ((None, LayerPairs([(0, 0)])), (attention(1, 2, 1, 4, 0), nn.ModuleDict())):
        with pytest.raises(TypeError, match=r"^attention-relations needs the attention of both models and the module"):
            measure(loss(), student, attention(1, 2, 1, 4, 0), module)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relations": ["queries", "keys", "queries"]}, "has the relation 'queries' twice; name each once"),
        ({"relations": []}, "relations"),
        ({"relations": ["heads"]}, "relations"),
        ({"layers": "kept", "teacher_layer": 1}, "has teacher_layer = 1, which with layers = 'kept' has no meaning"),
        ({"layers": "first"}, "layers"),
        ({"teacher_layer": -1}, "teacher_layer"),
        ({"heads": 0}, "heads"),
    ],
)
def test_settings_that_are_none(settings, message):
    """Each is refused by name."""
    with pytest.raises(ConfigurationError, match=message):
        structure(AttentionRelationSettings, settings, "attention-relations")
