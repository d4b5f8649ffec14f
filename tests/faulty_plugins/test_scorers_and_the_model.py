"""``measure_importance`` restores what scorers change of the model, and names the scorer that changed it."""

import pytest
import torch

from shortstack import Registry, measure_importance
from shortstack.errors import NonFiniteError, PluginError
from shortstack.models.snapshot import ModelSnapshot, assert_unmodified
from shortstack.testing.fingerprints import differences, fingerprint

ACTING = r"importance scorer hostile-scorers/acting \(hostile-scorers:main 0\.0\)"
SAME = "changed the model, which it must leave as it was"
LASTING = "; load the model again, for this cannot be undone"
UNDONE = "; this was undone"
WEIGHT = r"the weights model\.layers\.{}\.mlp\.up_proj\.weight"


@pytest.fixture
def model():
    """Four layers, and one parameter that is not trained."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=20, hidden_size=16, intermediate_size=24, num_hidden_layers=4, num_attention_heads=2,
        num_key_value_heads=2, pad_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = LlamaForCausalLM(config).eval()
    made.model.layers[1].mlp.up_proj.weight.requires_grad = False
    return made


@pytest.fixture
def batches():
    """Two of two examples."""
    rows = torch.arange(1, 17).reshape(4, 4)
    return [
        {"input_ids": part, "attention_mask": torch.ones_like(part), "labels": part} for part in (rows[:2], rows[2:])
    ]


@pytest.fixture
def measure(installed, model, batches):
    """Function that measures with some scorers, in the environment's registry."""
    registry = Registry.from_environment()
    return lambda **scorers: measure_importance(model, batches, scorers, registry=registry)


@pytest.mark.parametrize(
    ("at", "what", "message"),
    [
        ("start", "weights", f"{ACTING} {SAME}: {WEIGHT.format(0)}{LASTING}"),
        ("update", "data", f"importance scorer shortstack/fisher .* or {ACTING} {SAME}: {WEIGHT.format(1)}{LASTING}"),
        ("finish", "rows", f"{ACTING} {SAME}: {WEIGHT.format(1)}{LASTING}"),
        ("finish", "module", rf"{ACTING} {SAME}: the module model\.layers\.0\.mlp\.act_fn{LASTING}"),
        ("update", "config", f"{ACTING} {SAME}: the config{LASTING}"),
        (
            "update",
            "mode",
            rf"{ACTING} {SAME}: the mode of model\.layers\.0, the mode of model\.layers\.0\.self_attn, .*",
        ),
        ("update", "hooks", rf"{ACTING} {SAME}: the hooks of model\.layers\.2{UNDONE}"),
        ("finish", "forward", rf"{ACTING} {SAME}: the method forward of model\.layers\.1{UNDONE}"),
        (
            "update",
            "requires-grad",
            rf"{ACTING} {SAME}: requires_grad of model\.layers\.1\.mlp\.up_proj\.weight{UNDONE}",
        ),
        ("start", "gradient", rf"{ACTING} {SAME}: the gradient of model\.layers\.0\.mlp\.up_proj\.weight.*"),
    ],
)
def test_who_did_what(measure, at, what, message):
    """The error names the scorer and the method, even beside a healthy scorer."""
    with pytest.raises(PluginError, match=f"^{message}$"):
        measure(fisher=None, acting={"at": at, "what": what})


@pytest.mark.parametrize("at", ["start", "update", "finish"])
@pytest.mark.parametrize("what", ["mode", "hooks", "forward", "requires-grad", "gradient"])
def test_what_can_be_undone_is(model, measure, at, what):
    """The model is afterwards as it was, by the conformance kit's own look at it."""
    before = fingerprint(model)
    with pytest.raises(PluginError, match=SAME):
        measure(acting={"at": at, "what": what})

    assert differences(before, fingerprint(model)) == []


def test_after_the_first_update_any_of_them_may_have_done_it(measure):
    """The model is compared after each scorer's first update, and after the sweep, when all scorers are named."""
    others = r"importance scorer shortstack/angular \(shortstack:importance 0\.1\.0\)"
    with pytest.raises(PluginError, match=rf"^{others} or {ACTING} {SAME}: {WEIGHT.format(0)}{LASTING}$"):
        measure(angular=None, acting={"at": "second-batch", "what": "weights"})


@pytest.mark.parametrize("at", ["start", "update", "second-batch", "finish"])
def test_weights_that_were_changed_back_are_as_they_were(measure, at):
    """Weights that were changed and restored, as in an ablation, raise no error."""
    assert list(measure(acting={"at": at, "what": "and-back"})) == ["acting"]


@pytest.mark.parametrize("at", ["update", "second-batch"])
def test_signals_changed_in_place(measure, at):
    """The hidden states are the model's own, and other scorers read them too."""
    with pytest.raises(
        PluginError, match=f"^{ACTING} changed its signals in place, which others read too; make a copy"
    ):
        measure(acting={"at": at, "what": "signals"})


def test_a_fusion_works_on_copies(measure):
    """In-place changes by a derived scorer leave the scores of others unchanged."""
    results = measure(deriving=None, **{"hostile-scorers/right": None})

    assert results["hostile-scorers/right"].scores.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert results["deriving"].scores.tolist() == [0.0, 100.0, 200.0, 300.0]


def test_a_failure_after_a_change(model):
    """The failure is raised, with a note of the changes it left behind."""

    def spoil():
        model.model.layers[0].mlp.up_proj.weight.data.zero_()
        raise ValueError("no")

    with (
        pytest.raises(ValueError, match=f"^no\nscorer x {SAME}: {WEIGHT.format(0)}{LASTING}$"),
        assert_unmodified(ModelSnapshot.of(model), "scorer x"),
    ):
        spoil()


def test_a_message_lists_few_changes(model):
    """The message lists three changes, and the number of others."""

    def spoil():
        for layer in model.model.layers:
            for parameter in layer.mlp.parameters():
                parameter.data.zero_()
                parameter.requires_grad = False

    with (
        pytest.raises(PluginError, match=r": the weights .*, the weights .*, the weights .* and 20 more; load"),
        assert_unmodified(ModelSnapshot.of(model), "scorer x"),
    ):
        spoil()


def test_scorers_given_as_objects_are_named_by_class(measure, hostile):
    """There is no distribution to name."""
    module = hostile("hostile_scorers")
    with pytest.raises(
        PluginError, match=r"^importance scorer 'mine' \(hostile_scorers:Fold\) failed: RuntimeError: out of"
    ):
        measure(mine=module.Fold(at="update", act=module.fail))
    with pytest.raises(
        NonFiniteError, match=r"scorer 'mine' gave nan for layer 0\nin importance scorer 'mine' \(hostile_sc"
    ):
        measure(mine=module.Fold(answer=lambda n: module.Importance(scores=module.even(n).scores / 0, examples=1)))


def test_a_gradient_that_was_there_counts_too(model):
    """Existing gradients are compared by their values."""
    weight = model.model.layers[0].mlp.up_proj.weight
    weight.grad = torch.ones_like(weight)
    with (
        pytest.raises(
            PluginError, match=rf"scorer x {SAME}: the gradient of model\.layers\.0\.mlp\.up_proj\.weight; load"
        ),
        assert_unmodified(ModelSnapshot.of(model), "scorer x"),
    ):
        weight.grad.zero_()


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int8, torch.bool, torch.complex64]
)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 7), (2, 3, 4), (0, 4), (4, 0)])
def test_fingerprints_of_every_type_and_shape(model, dtype, shape):
    """One changed entry is noticed, wherever it lies in memory."""
    model.register_buffer("absent", None)
    storage = torch.zeros(1 + int(torch.tensor(shape).prod()), dtype=dtype)
    model.register_buffer("extra", storage[1:].reshape(shape))
    before = ModelSnapshot.of(model)

    assert before.complaint("scorer x") == ""

    storage[-1] = 1

    assert before.complaint("scorer x") == ("" if 0 in shape else f"scorer x {SAME}: the buffer .extra{LASTING}")


def test_tensors_of_other_classes_are_not_looked_into(model):
    """A quantised weight, for example, is known by its identity alone."""

    class Packed(torch.Tensor):
        """Has no rows of its own."""

    model.register_buffer("packed", torch.zeros(3).as_subclass(Packed))
    before = ModelSnapshot.of(model)

    assert before.complaint("scorer x") == ""

    model.packed = torch.zeros(3).as_subclass(Packed)

    assert before.complaint("scorer x") == f"scorer x {SAME}: the buffer .packed{LASTING}"


def test_an_error_outlives_a_device_that_answers_no_more(model, monkeypatch):
    """After some errors a GPU cannot be read any more; the first error is the one reported."""

    def dead(*_):
        raise RuntimeError("CUDA error: device-side assert triggered")

    def fail():
        monkeypatch.setattr(torch, "equal", dead)
        raise ValueError("first")

    with pytest.raises(ValueError, match=r"^first$"), assert_unmodified(ModelSnapshot.of(model), "scorer x"):
        fail()
