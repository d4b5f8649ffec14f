"""Calibration batches and tiny models for all methods."""

import pytest
import torch
from students.conftest import SIZES
from students.tiny_families import tiny_teacher
from transformers import LlamaConfig, LlamaForCausalLM

from shortstack.models.decoder import Decoder


@pytest.fixture
def batches():
    """Eight examples of twelve tokens, in two batches; the last example is half padding."""
    ids = torch.randint(3, 64, (8, 12), generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(ids)
    mask[7, 6:] = 0
    return [{"input_ids": ids[i : i + 4], "attention_mask": mask[i : i + 4]} for i in (0, 4)]


@pytest.fixture
def made():
    """Makes a tiny model with other sizes: ``made(intermediate_size=64)``; the same weights each time."""

    def make(**changes):
        config = LlamaConfig(**{**SIZES, **changes})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return LlamaForCausalLM(config).eval()

    return make


@pytest.fixture
def llama():
    """A tiny Llama of six layers."""
    return tiny_teacher("llama")


def linears(model, layer):
    """Return the linear modules of a layer by name."""
    modules = Decoder.of(model).layers[layer].named_modules()
    return {name: module for name, module in modules if isinstance(module, torch.nn.Linear)}


def inputs_of(model, linear, batches):
    """Return what enters a module at the unmasked tokens, ``(tokens, inputs)``, float64: one example at a time."""
    rows = []
    handle = linear.register_forward_hook(lambda _module, args, _output: rows.append(args[0][0]))
    with torch.no_grad():
        for batch in batches:
            for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
                model(ids[mask.bool()][None])  # without its padding
    handle.remove()
    return torch.cat(rows).double()


def logits(model, batches):
    """Return the logits of the first batch, which has no padding."""
    with torch.no_grad():
        return model(batches[0]["input_ids"], use_cache=False).logits
