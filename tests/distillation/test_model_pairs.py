"""Trainings of pairs: student and teacher of different families and widths, over one vocabulary."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from shortstack.config.training import FitSettings
from shortstack.contracts import Selection
from shortstack.distillation.fitting import fit
from shortstack.errors import ConfigurationError, UnsupportedModelError

SIZES = {
    "vocab_size": 13, "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 6,
    "num_key_value_heads": 2, "max_position_embeddings": 16, "pad_token_id": 0, "bos_token_id": None,
    "eos_token_id": None, "initializer_range": 0.3,
}  # fmt: skip
FAMILIES = {
    "llama": SIZES,
    "qwen3": {**SIZES, "hidden_size": 18, "head_dim": 8},
    "gpt2": {
        "vocab_size": 13, "n_embd": 30, "n_head": 6, "n_layer": 3, "n_positions": 16, "bos_token_id": None,
        "eos_token_id": None, "initializer_range": 0.3,
    },
    "gpt_neox": {**{k: v for k, v in SIZES.items() if k != "num_key_value_heads"}, "hidden_size": 12},
    "gemma2": {**SIZES, "hidden_size": 36, "head_dim": 8, "num_hidden_layers": 4, "sliding_window": 4},
    "mamba": {
        "vocab_size": 13, "hidden_size": 16, "state_size": 4, "num_hidden_layers": 2, "pad_token_id": 0,
        "bos_token_id": None, "eos_token_id": None, "initializer_range": 0.3,
    },
}  # fmt: skip
LOSSES = {
    "soft-targets": {"temperature": 2.0}, "reverse-kl": {}, "skew-kl": {}, "jensen-shannon": {}, "logits-mse": {}, "ranking": {},
    "hidden-states": {"blocks": 2}, "contrastive": {}, "attention-relations": {},
}  # fmt: skip
PAIRS = [("llama", "qwen3"), ("gpt2", "llama"), ("gemma2", "gpt_neox")]
BRIEF = {"soft-targets", "hidden-states", "attention-relations"}
OF_TWO = Selection(kept=(0, 2), of=4)


def model_of(family, seed, **sizes):
    """Return a model in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **{**FAMILIES[family], **sizes})).eval()


def course(stage, teacher, student, loss, settings, selection=None):
    """Return the values of one loss over twenty steps on all examples."""
    fits = FitSettings(steps=20, batch_size=24, warmup_steps=0, evaluate_every=1, learning_rate=1e-2)
    models = model_of(student, 1), model_of(teacher, 2)
    folder = stage.folder / loss
    trainer = stage.trainer(*models, settings=fits, folder=folder, losses={loss: settings}, selection=selection)
    return [record[f"loss/{loss}"] for record in fit(trainer) if f"loss/{loss}" in record]


@pytest.mark.parametrize(
    ("teacher", "student", "loss"),
    [pytest.param(*pair, loss, marks=() if loss in BRIEF else pytest.mark.full) for pair in PAIRS for loss in LOSSES],
)
def test_any_two_families(stage, teacher, student, loss):
    """Every loss that pairs no layers by a selection falls, whatever families, widths and depths."""
    values = course(stage, teacher, student, loss, LOSSES[loss])

    assert values[-1] < 0.9 * values[0]


@pytest.mark.full
@pytest.mark.parametrize(("teacher", "student"), [("llama", "mamba"), ("mamba", "qwen3")])
def test_a_family_without_attention(stage, teacher, student):
    """It teaches and learns logits and states; that its attention cannot be read is said."""
    for loss in ("soft-targets", "hidden-states"):
        values = course(stage, teacher, student, loss, LOSSES[loss])
        assert values[-1] < 0.9 * values[0]
    with pytest.raises(
        UnsupportedModelError, match=r"^MambaForCausalLM \(mamba\) has no attention .*; use a loss that"
    ):
        course(stage, teacher, student, "attention-relations", {})


def test_the_students_width_is_mapped_to_the_teachers(stage):
    """Where the widths differ there is a projection for each pair of layers, trained beside the student."""
    losses = {"hidden-states": {"blocks": 2}}
    trainer = stage.trainer(model_of("qwen3", 1), model_of("gpt2", 2), losses=losses, selection=None)
    before = [p.detach().clone() for p in trainer.model.loss_modules.parameters()]
    trainer.train()
    after = list(trainer.model.loss_modules.parameters())

    # gpt2 is 30 wide and qwen3 18; its last layers of two blocks of three layers are two
    assert [(30, 18), (30, 18)] == [tuple(p.shape) for p in after]
    assert not any(torch.equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("loss", "settings", "selection", "message"),
    [
        ("hidden-states", {}, None, r"pairs each student layer .*; give both, or set its setting 'blocks', by which"),
        (
            "hidden-states",
            {},
            Selection(kept=(0,), of=4),
            r"keeps 1 of 4 layers, but the student has 2 .* 'blocks' of the",
        ),
        (
            "hidden-states",
            {"blocks": 3},
            None,
            r"cannot cut 2 layers of the student and 4 of the teacher into 3 blocks",
        ),
        ("attention-relations", {"layers": "kept"}, None, r"needs the selection .*; give it, or set layers = 'last'\n"),
        (
            "attention-relations",
            {"layers": "kept"},
            Selection(kept=(0, 1), of=3),
            r"keeps 2 of 3 layers, but the student has 2 and the teacher 4; .*, or set layers = 'last' of the loss",
        ),
    ],
)
def test_layers_that_no_selection_pairs(stage, loss, settings, selection, message):
    """Losses that need the origin of each layer say so, and which setting needs none."""
    with pytest.raises(ConfigurationError, match=message):
        course(stage, "gemma2", "qwen3", loss, settings, selection)


def test_a_selection_of_the_right_depths_pairs_them(stage):
    """Layer 0 of the student learns from layer 0 of the teacher, layer 1 from layer 2, whatever their families."""
    trainer = stage.trainer(
        model_of("qwen3", 1), model_of("gemma2", 2), losses={"hidden-states": 1.0}, selection=OF_TWO
    )

    assert ["0", "2"] == list(trainer.model.loss_modules["0"])


@pytest.mark.parametrize("short", ["student", "teacher"])
def test_examples_longer_than_one_model_reads(stage, short):
    """The shorter of the two models is named, before any pass: the examples have up to six tokens."""
    sizes = {"n_positions": 5}
    models = {"student": ("gpt2", "llama"), "teacher": ("llama", "gpt2")}[short]
    student, teacher = (model_of(family, 1, **(sizes if family == "gpt2" else {})) for family in models)
    trainer = stage.trainer(student, teacher, losses={"soft-targets": 1.0}, selection=None)
    with pytest.raises(
        ConfigurationError,
        match=rf"^a batch has an example of 6 tokens, but the {short} \(gpt2\) reads at most 5; shorten",
    ):
        trainer.train()


def test_another_vocabulary(stage):
    """A teacher of another family and vocabulary is refused as one of the same family is."""
    with pytest.raises(ConfigurationError, match=r"^the teacher's vocabulary has 14 tokens and the student's 13; they"):
        stage.trainer(model_of("qwen3", 1), model_of("llama", 2, vocab_size=14), losses={"soft-targets": 1.0})
