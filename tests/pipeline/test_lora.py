"""Fits with low-rank adapters, with recomputed activations, and with batches of one length."""

import pytest
import torch
from pipeline.little_language_model import WORDS, llama, teacher
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, TrainerCallback

from shortstack import CompactStudentModel, Run
from shortstack.config.training import FitSettings, LoraSettings
from shortstack.contracts import Selection
from shortstack.distillation.callbacks import RowsLearnFaster
from shortstack.distillation.fitting import fit
from shortstack.distillation.length_groups import LengthGroups
from shortstack.distillation.lora import adapted, adapter_state
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.errors import ConfigurationError
from shortstack.tasks import collate

ALL = Selection(kept=(0, 1, 2, 3), of=4, reason="all")
LORA = {"rank": 2, "alpha": 4.0}


def with_lora(folder, **changes):
    """Return the table of a teacher that trains adapters."""
    return teacher(folder, **{"lora": LORA, "learning_rate": 0.01, **changes})


@pytest.fixture(scope="module")
def finished(folder, ring, tables, tmp_path_factory):
    """A whole run; its student learns in full."""
    root = tmp_path_factory.mktemp("runs") / "lora"
    return root, Run.from_mapping(tables(ring, teacher=with_lora(folder))).execute(root)


def weights(place):
    """Return all tensors of a stored model."""
    return AutoModelForCausalLM.from_pretrained(place).state_dict()


def test_only_adapters_and_items_learn(finished, folder):
    """Every matrix of the layers moves within the adapters' rank; words, norms and all else stay bit for bit."""
    root, result = finished
    before, after = weights(folder), weights(root / "teacher")
    assert before.keys() == after.keys()
    for name, old in before.items():
        new = after[name]
        if name in {"model.embed_tokens.weight", "lm_head.weight"}:
            assert torch.equal(new[: len(WORDS)], old[: len(WORDS)])
            assert not torch.equal(new[len(WORDS) + 1], new[len(WORDS) + 2])
        elif name.endswith("_proj.weight"):
            assert torch.linalg.matrix_rank(new - old, rtol=1e-3) == 2
        else:
            assert torch.equal(new, old)
    assert result.metrics["teacher"]["ndcg@10"] > 0
    assert CompactStudentModel.from_pretrained(root / "student").recommend(["Item 3"], k=3)


def test_a_killed_training_goes_on(folder, ring, tables, tmp_path, finished):
    """A killed training resumes from its adapters, and gives the same teacher bit for bit."""
    root, _ = finished
    run = Run.from_mapping(tables(ring, teacher=with_lora(folder)))

    class KilledError(Exception):
        """Raised in place of a signal."""

    original = RowsLearnFaster.on_optimizer_step
    steps = []

    def until_ninth(self, *args, **kwargs):
        steps.append(1)
        if len(steps) == 9:
            raise KilledError
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowsLearnFaster, "on_optimizer_step", until_ninth)
        with pytest.raises(KilledError):
            run.execute(tmp_path / "run")
    saved = sorted((tmp_path / "run" / ".teacher.partial" / "checkpoints" / "checkpoint-8").iterdir())
    assert "learning.safetensors" in {path.name for path in saved}
    run.execute(tmp_path / "run")
    first, second = weights(root / "teacher"), weights(tmp_path / "run" / "teacher")
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.full
def test_words_have_adapters_alone(folder, ring, tables, tmp_path):
    """With items as words only the adapters are trained; a student may be trained that way too."""
    lora = {**LORA, "modules": ["q_proj", "v_proj"]}
    settings = {
        **with_lora(folder, lora=lora, item_rows_rate=1.0),
        "prompt": {"line": " {item} {rating}", "opening": "Item"},
    }
    plain = tables(ring, teacher=settings, task={"name": "rating", "settings": {"window": 4}})
    plain["distillation"]["fit"]["lora"] = LORA
    Run.from_mapping(plain).execute(tmp_path / "run")
    before, after = weights(folder), weights(tmp_path / "run" / "teacher")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.endswith(("q_proj.weight", "v_proj.weight")) for name in changed)
    pruned, student = weights(tmp_path / "run" / "pruned"), weights(tmp_path / "run" / "student")
    assert torch.equal(pruned["model.embed_tokens.weight"], student["model.embed_tokens.weight"])
    assert not torch.equal(pruned["model.layers.0.mlp.up_proj.weight"], student["model.layers.0.mlp.up_proj.weight"])


def test_transposed_matrices():
    """GPT-2's transposed matrices are adapted; the merged model gives the logits of the model with adapters."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=32, n_embd=16, n_layer=2, n_head=2, n_positions=32)).eval()
    ids = torch.tensor([[3, 5, 7]])
    with adapted(model, LoraSettings(rank=2), trained=[]):
        for name, parameter in adapter_state(model).items():
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(len(name)))
        said = model(ids).logits
        assert all("lora_" in name for name in adapter_state(model))
    assert torch.allclose(model(ids).logits, said, atol=1e-5)
    assert type(model.transformer.h[0].attn.c_attn).__name__ == "Conv1D"
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert adapter_state(model) == {}


def test_what_cannot_be_adapted(folder, ring, tables, tmp_path, monkeypatch):
    """An unknown module and a missing package are refused before any work."""
    wrong = with_lora(folder, lora={"modules": ["query"]})
    with pytest.raises(
        ConfigurationError, match=r"lora\.modules names 'query', but the layers of LlamaForCausalLM have down_proj, "
    ):
        Run.from_mapping(tables(ring, teacher=wrong)).execute(tmp_path / "run")
    monkeypatch.setattr("shortstack.distillation.lora.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"lora needs the extra 'lora': pip install 'shortstack\[lora\]'"):
        Run.from_mapping(tables(ring, teacher=with_lora(folder))).execute(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_fits_that_ask_for_what_is_not_there(folder, ring, tables, tmp_path):
    """Fits with unavailable options are refused, for student and teacher, before anything is trained."""
    plain = tables(ring, teacher=teacher(folder))
    plain["distillation"]["fit"]["lora"] = {"modules": ["query"]}
    with pytest.raises(ConfigurationError, match=r"lora\.modules names 'query', but the layers of LlamaForCausalLM"):
        Run.from_mapping(plain).execute(tmp_path / "run")
    fresh = tables(ring)
    fresh["teacher"]["fit"]["lora"] = LORA
    with pytest.raises(ConfigurationError, match=r"teacher\.fit\.lora adapts layers that know something"):
        Run.from_mapping(fresh).execute(tmp_path / "run")
    fresh["teacher"] = {"config": {"model_type": "openai-gpt", "n_layer": 2, "n_embd": 16, "n_head": 2}}
    fresh["teacher"]["fit"] = {"gradient_checkpointing": True}
    with pytest.raises(ConfigurationError, match=r"teacher\.fit\.gradient_checkpointing: OpenAIGPTLMHeadModel cannot"):
        Run.from_mapping(fresh).execute(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_precision_is_told(finished):
    """The precision of each training is recorded, as decided at its start."""
    _, result = finished
    assert result.cost["precision"] == {"teacher": "float32", "scratch": "float32", "student": "float32"}


class Stops(TrainerCallback):
    """A callback that ends training, as a signal would."""

    def __init__(self, at):
        self.at = at

    def on_step_end(self, args, state, control, **_):
        """Raise at the chosen step."""
        if state.global_step == self.at:
            raise KeyboardInterrupt


def trained(tmp_path, losses, *, stop=None, **changes):
    """Train a little model for three steps on examples of two lengths; return its weights and the batch widths."""
    model, mentor = llama(), llama().eval()
    examples = [{"input_ids": list(range(2, 2 + n)), "labels": list(range(2, 2 + n))} for n in (4, 12) * 32]
    fixed = {"steps": 3, "batch_size": 4, "warmup_steps": 0, "learning_rate": 0.01, "patience": 0}
    settings = FitSettings(**{**fixed, **changes})
    widths = []

    def watching(batch):
        collated = collate(batch)
        widths.append(collated["input_ids"].shape[1])
        return collated

    arguments = training_arguments(tmp_path, settings, seed=0, device="cpu", validated=False)
    trainer = DistillationTrainer(
        model,
        arguments,
        examples,
        losses=losses,
        teacher=mentor,
        data_collator=watching,
        selection=ALL,
        callbacks=[Stops(stop)],
    )
    fit(trainer)
    return model.state_dict(), widths


def test_recomputed_activations_change_nothing(tmp_path):
    """Recomputed activations give the same weights after three steps, losses on hidden states included."""
    losses = {"labels": 1.0, "soft-targets": 1.0, "hidden-states": 1.0}
    plain, _ = trained(tmp_path / "plain", losses)
    again, _ = trained(tmp_path / "again", losses, gradient_checkpointing=True)
    assert all(torch.allclose(plain[name], again[name], atol=1e-6) for name in plain)


def test_batches_of_one_length(tmp_path):
    """Batches of one length have less padding and the same examples."""
    _, mixed = trained(tmp_path / "mixed", {"labels": 1.0}, steps=16)
    _, alike = trained(tmp_path / "alike", {"labels": 1.0}, steps=16, group_by_length=True)
    assert sum(alike) < sum(mixed)


def test_their_order_is_the_same_after_a_resume():
    """The order depends on the seed and the epoch, not on other random draws."""
    lengths = list(range(40))
    first, again = LengthGroups(lengths, 4, 7), LengthGroups(lengths, 4, 7)
    orders = []
    for epoch in range(2):
        first.set_epoch(epoch)
        orders.append(list(first))
    torch.manual_seed(99)
    again.set_epoch(1)
    assert list(again) == orders[1] != orders[0]
    assert sorted(orders[1]) == lengths
    assert len(first) == 40


def test_a_grouped_training_killed_in_its_second_epoch(tmp_path):
    """It ends with the result of an uninterrupted training."""
    whole, _ = trained(tmp_path / "whole", {"labels": 1.0}, steps=24, group_by_length=True, evaluate_every=10)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", {"labels": 1.0}, steps=24, group_by_length=True, evaluate_every=10, stop=22)
    torch.manual_seed(5)
    resumed, _ = trained(tmp_path / "cut", {"labels": 1.0}, steps=24, group_by_length=True, evaluate_every=10)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
