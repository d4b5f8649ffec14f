"""``replacement-layer``: the layer before a gap learns what the removed ones did, and the student stays a stock model."""

import copy

import pytest
import torch
from students.tiny_families import tiny_teacher

from shortstack.errors import ConfigurationError, EmptyDataError
from shortstack.models.decoder import Decoder
from shortstack.registry import Registry
from shortstack.testing import Pruning, TinyModel, reproduce
from shortstack_students.layer_subset import LayerSubset
from shortstack_students.lessons import lessons
from shortstack_students.replacement_layer import ReplacementLayer, ReplacementLayerSettings
from shortstack_students.stream import gaps_of

KEPT = (0, 1, 4, 5)
"""Without layers 2 and 3, so that layer 1 stands for 1 to 3."""


@pytest.fixture
def batches():
    """Eight examples of twelve tokens, in two batches; the last example is half padding."""
    ids = torch.randint(3, 64, (8, 12), generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(ids)
    mask[7, 6:] = 0
    return [{"input_ids": ids[i : i + 4], "attention_mask": mask[i : i + 4], "labels": ids[i : i + 4]} for i in (0, 4)]


def trained(build, teacher, batches, kept=KEPT, **settings):
    """Build a student; a few large steps."""
    chosen = ReplacementLayer(ReplacementLayerSettings(**{"steps": 40, "learning_rate": 3e-3, **settings}))
    return build(teacher, kept, chosen, calibration=batches)


def error_of_states(teacher, student, batches, place, last):
    """Return the mean squared distance of the states after a student's layer from those after a teacher's, example by example."""
    states = []
    for model, index in ((teacher, last), (student, place)):
        rows = []
        handle = (
            Decoder.of(model)
            .layers[index]
            .register_forward_hook(
                lambda _module, _args, output, rows=rows: rows.append(
                    output[0] if isinstance(output, tuple) else output
                )
            )
        )
        with torch.no_grad():
            for batch in batches:
                for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
                    model(ids[mask.bool()][None])
        handle.remove()
        states.append(torch.cat([row.flatten(0, -2) for row in rows]))
    return float((states[0] - states[1]).square().mean())


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_it_comes_nearer_to_the_teacher(build, batches, family):
    """After the layer that is trained the states are nearer to the teacher's after the gap; nothing else has changed."""
    teacher = tiny_teacher(family)
    plain, student = build(teacher, KEPT, LayerSubset()), trained(build, teacher, batches)
    before, after = (error_of_states(teacher, model, batches, place=1, last=3) for model in (plain, student))
    path = Decoder.of(student).path
    adapted = set(student.config.shortstack["adapted_tensors"]) - set(plain.config.shortstack["adapted_tensors"])
    same = [name for name, tensor in plain.state_dict().items() if torch.equal(tensor, student.state_dict()[name])]

    assert after < 0.7 * before
    assert {name.removeprefix(f"{path}.").split(".")[0] for name in adapted} == {"1"}
    assert set(plain.state_dict()) - set(same) <= {name for name in plain.state_dict() if name.startswith(f"{path}.1.")}


def test_the_error_is_that_of_the_states(build, batches):
    """The minimised error, against states of examples without their padding."""
    teacher = tiny_teacher("llama")
    student = build(teacher, KEPT, LayerSubset())
    (gap,) = gaps_of_kept()
    taught = lessons(teacher, student, gap, batches)
    with torch.no_grad():
        errors = [float(lesson.error(Decoder.of(student).layers[1])) for lesson in taught]
    tokens = [int(batch["attention_mask"].sum()) for batch in batches]
    mean = sum(error * count for error, count in zip(errors, tokens, strict=True)) / sum(tokens)

    assert mean == pytest.approx(error_of_states(teacher, student, batches, place=1, last=3), rel=1e-4)


def gaps_of_kept():
    """Return the gaps of the usual selection."""
    from shortstack.contracts import Selection

    return gaps_of(Selection(kept=KEPT, of=6))


def test_the_same_student_each_time(build, batches):
    """Nothing is drawn, and the teacher and the caller's generator stay as they are."""
    teacher = tiny_teacher("llama")
    weights, state = copy.deepcopy(teacher.state_dict()), torch.get_rng_state()
    first, second = (trained(build, teacher, batches).state_dict() for _ in range(2))

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(weights[name], tensor) for name, tensor in teacher.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


def test_a_training_that_fails_changes_nothing(build, batches):
    """Steps that are far too large leave the layer as it was."""
    teacher = tiny_teacher("llama")
    student = trained(build, teacher, batches, learning_rate=1e3, steps=3)

    assert student.config.shortstack["adapted_tensors"] == []


@pytest.mark.parametrize(("kept", "layers"), [((2, 3, 4, 5), set()), ((0, 2, 5), {"0", "1"}), (range(6), set())])
def test_gaps(build, batches, kept, layers):
    """One at the start has no layer before it; of several each has its own."""
    student = trained(build, tiny_teacher("llama"), batches, kept=kept)
    adapted = student.config.shortstack["adapted_tensors"]

    assert {name.split(".")[2] for name in adapted} == layers


def test_a_teacher_in_half_precision(build, batches):
    """It is trained in float32, and stored in the teacher's dtype."""
    teacher = tiny_teacher("llama").to(torch.bfloat16)
    student = trained(build, teacher, batches)

    assert student.dtype == torch.bfloat16
    assert student.config.shortstack["adapted_tensors"]


def test_a_batch_of_padding(build, batches):
    """It teaches nothing."""
    nothing = {name: torch.zeros_like(tensor) for name, tensor in batches[0].items()}
    plain, other = (trained(build, tiny_teacher("llama"), some, steps=4) for some in (batches, [*batches, nothing]))

    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in plain.state_dict().items())


def test_without_examples(build):
    """There is nothing to learn from."""
    with pytest.raises(
        EmptyDataError, match="replacement-layer looks at what the teacher does to calibration examples"
    ):
        trained(build, tiny_teacher("llama"), [])


@pytest.mark.parametrize("settings", [{"steps": 0}, {"learning_rate": 0}])
def test_settings_that_are_not_allowed(settings):
    """They are named."""
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        Registry.from_environment().build("student", "replacement-layer", settings)


def test_what_rounds_to_the_teachers_is_a_copy():
    """Small steps of a norm in bfloat16, which begins at 1, change nothing; the map of copies says so."""
    teacher = TinyModel(family="llama", layers=2, seed=0, dtype="bfloat16")
    pruning = Pruning(teacher=teacher, kept=(0,), again=())
    reproduce("replacement-layer", "accounted-for", kind="student", settings={"steps": 5}, pruning=pruning)
