"""Tiny models, random examples, and a trainer over them."""

from types import SimpleNamespace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from shortstack import Registry
from shortstack.config.training import FitSettings
from shortstack.contracts import Selection
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.registry import Origin

VOCABULARY = 13
KEPT = (0, 2)


@pytest.fixture(scope="session")
def loss_plugins():
    """A registry with the built-in losses alone."""
    import shortstack_losses

    registry = Registry()
    registry.register(shortstack_losses, Origin("shortstack", "losses", "0.1.0"))
    return registry


@pytest.fixture(scope="session")
def tiny():
    """Makes a model: ``tiny(layers, hidden=16, seed=0, dropout=0.0)``."""

    def make(layers, *, hidden=16, seed=0, dropout=0.0, vocabulary=VOCABULARY):
        config = LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            intermediate_size=24,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=16,
            attention_dropout=dropout,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=None,
            initializer_range=0.3,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return LlamaForCausalLM(config).eval()

    return make


@pytest.fixture(scope="session")
def examples():
    """Twenty-four rows of six to two items, right-padded; every item but the first of a row is a label."""
    generator = torch.Generator().manual_seed(5)
    rows = torch.randint(1, VOCABULARY, (24, 6), generator=generator)
    lengths = torch.randint(2, 7, (24,), generator=generator)
    mask = (torch.arange(6) < lengths[:, None]).long()
    labels = rows.masked_fill(mask == 0, -100)
    return [
        {"input_ids": i * m, "attention_mask": m, "labels": label}
        for i, m, label in zip(rows, mask, labels, strict=True)
    ]


@pytest.fixture
def stage(tmp_path, tiny, examples, loss_plugins):
    """The arguments of a trainer, and ``trainer(...)`` to build one with some of them changed."""
    defaults = SimpleNamespace(
        folder=tmp_path / "checkpoints",
        losses={"labels": 1.0, "soft-targets": {"weight": 2.0, "temperature": 3.0}, "hidden-states": 0.5},
        candidates=torch.arange(1, VOCABULARY),
        selection=Selection(kept=KEPT, of=4),
    )

    def trainer(student=None, teacher=None, *, settings=None, folder=defaults.folder, metric=None, **changed):
        settings = settings or FitSettings(steps=6, batch_size=8, warmup_steps=0, evaluate_every=3)
        validated = "validate" in changed
        arguments = training_arguments(folder, settings, seed=3, device="cpu", validated=validated)
        parts = {
            "losses": defaults.losses,
            "candidates": defaults.candidates,
            "selection": defaults.selection,
            "registry": loss_plugins,
            **changed,
        }
        return DistillationTrainer(
            student if student is not None else tiny(2, seed=1),
            parts.pop("args", arguments),
            parts.pop("train_dataset", examples),
            teacher=tiny(4) if teacher is None else teacher or None,
            **parts,
        )

    return SimpleNamespace(trainer=trainer, tiny=tiny, examples=examples, **vars(defaults))
