"""Recipes for losses: shapes, padding, supervised tokens, and how they shrink."""

import pytest
import torch
from hypothesis import find, given, settings
from hypothesis import strategies as st

from shortstack.testing import Lesson, LossInputs
from shortstack.testing.strategies import lessons, loss_inputs, temperatures

CALM = settings(deadline=None, max_examples=30)  # the first example pays for imports
ALL = loss_inputs(apart=(0.0, 0.5, 1.0), dtypes=("float64", "float32", "bfloat16"))


@CALM
@given(ALL)
def test_shapes(inputs):
    """One row of logits per supervised token, one state per layer, in the requested dtype."""
    built = inputs.build()
    positions = len(built.batch.labels)
    tokens = (len(inputs.lengths), max(inputs.lengths))

    assert sum(built.supervised) == positions
    assert positions == (sum(inputs.lengths) if inputs.supervised == "every" else len(inputs.lengths))
    assert (positions, inputs.candidates) == built.student.logits.shape == built.teacher.logits.shape
    assert [(*tokens, inputs.widths[0])] * len(inputs.kept) == [s.shape for s in built.student.states.values()]
    assert [(*tokens, inputs.widths[1])] * inputs.layers == [s.shape for s in built.teacher.states.values()]
    for outputs, config in ((built.student, inputs.student_config()), (built.teacher, inputs.teacher_config())):
        assert config.num_hidden_layers == len(outputs.attention)
        for part in outputs.attention.values():
            assert (tokens[0], config.num_attention_heads, tokens[1], config.head_dim) == part.queries.shape
            assert (tokens[0], config.num_key_value_heads, tokens[1], config.head_dim) == part.keys.shape
            assert part.keys.shape == part.values.shape
    assert getattr(torch, inputs.dtype) == built.student.logits.dtype == built.teacher.states[0].dtype
    assert list(inputs.lengths) == built.batch.mask.sum(1).tolist()


@CALM
@given(ALL)
def test_a_recipe_is_all_there_is(inputs):
    """The repr of a recipe rebuilds the same batch."""
    first, second = inputs.build(), eval(repr(inputs)).build()  # noqa: S307 -- our own text

    assert torch.equal(first.student.logits, second.student.logits)
    assert torch.equal(first.teacher.states[0], second.teacher.states[0])
    assert torch.equal(first.batch.labels, second.batch.labels)


@CALM
@given(loss_inputs(apart=(0.0,), widths=((4, 4),)))
def test_models_that_are_not_apart(inputs):
    """With ``apart`` 0 the student's outputs are the teacher's, and each layer's are those of its origin."""
    built = inputs.build()

    assert torch.equal(built.teacher.logits, built.student.logits)
    for layer, origin in enumerate(inputs.kept):
        assert torch.equal(built.teacher.states[origin], built.student.states[layer])
        ours, theirs = built.student.attention[layer], built.teacher.attention[origin]
        for part in ("queries", "keys", "values"):
            assert torch.equal(getattr(theirs, part), getattr(ours, part))


@pytest.mark.parametrize("apart", [0.0, 0.1, 0.5, 1.0])
def test_the_student_is_as_sure_as_the_teacher(apart):
    """Student and teacher have the same standard deviation; ``apart`` sets their correlation."""
    built = LossInputs(lengths=(200,), candidates=100, apart=apart, scale=3.0).build()
    student, teacher = built.student.logits, built.teacher.logits
    correlation = torch.corrcoef(torch.stack([student.flatten(), teacher.flatten()]))[0, 1]

    # 20,000 numbers: three standard errors are 0.02
    assert pytest.approx(3.0, abs=0.06) == student.std().item()
    assert pytest.approx((1 - apart**2) ** 0.5, abs=0.02) == correlation.item()


def test_sides():
    """Padding is on the requested side."""
    right, left = (LossInputs(lengths=(1, 3), side=side).build().batch.mask.tolist() for side in ("right", "left"))

    assert [[True, False, False], [True, True, True]] == right
    assert [[False, False, True], [True, True, True]] == left


@pytest.mark.parametrize(("supervised", "positions"), [("every", 5), ("last", 2), ("nothing", 0)])
def test_supervised_tokens(supervised, positions):
    """A row of padding alone has no supervised token."""
    assert positions == len(LossInputs(lengths=(2, 0, 3), supervised=supervised).build().batch.labels)


def test_configs_fit_the_outputs():
    """A loss prepares itself for models of these layers and widths."""
    inputs = LossInputs(kept=(0, 2), layers=4, widths=(4, 6))

    assert (2, 4) == (inputs.student_config().num_hidden_layers, inputs.student_config().hidden_size)
    assert (4, 6) == (inputs.teacher_config().num_hidden_layers, inputs.teacher_config().hidden_size)
    assert ((0, 2), 4) == (inputs.selection().kept, inputs.selection().of)


def test_one_candidate_is_no_choice():
    """One candidate is not enough: a distribution over it is constant."""
    with pytest.raises(ValueError, match="'candidates' must be >= 2: 1"):
        LossInputs(candidates=1)


def test_they_shrink_to_one_token():
    """Batches shrink to one token."""
    assert LossInputs(lengths=(1,), candidates=2, kept=(0,), layers=1) == find(loss_inputs(), lambda _: True)
    assert find(temperatures(), lambda _: True) == 1.0
    assert find(temperatures(high=True), lambda t: t > 12.0) == 100.0


@CALM
@given(st.integers(0, 9), st.sampled_from([8, 16]))
def test_lessons(seed, width):
    """The same student each time, of the requested width; examples of uneven length; not the teacher's own weights."""
    lesson = Lesson(seed=seed, width=width, lengths=(3, 2))
    first, second, teacher = lesson.student(), lesson.student(), lesson.teacher()

    assert torch.equal(first.lm_head.weight, second.lm_head.weight)
    assert (2, width) == (first.config.num_hidden_layers, first.config.hidden_size)
    assert (3, 16) == (teacher.config.num_hidden_layers, teacher.config.hidden_size)
    assert [3, 2] == [int(example["attention_mask"].sum()) for example in lesson.examples()]
    assert width != 16 or not torch.equal(first.lm_head.weight, teacher.lm_head.weight)


@CALM
@given(lessons())
def test_lessons_are_drawn_whole(lesson):
    """Two of three layers, eight examples."""
    assert (2, 3, 8) == (len(lesson.selection().kept), lesson.selection().of, len(lesson.examples()))
