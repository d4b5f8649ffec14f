"""Run by test_ranks.py, alone and under torchrun: the gradients and the log of one optimiser step over sixteen rows."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback

import shortstack_losses
from shortstack import Registry
from shortstack.config.training import FitSettings
from shortstack.contracts import Selection
from shortstack.distillation.fitting import fit
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.registry import Origin


class Gradients(TrainerCallback):
    """A callback that records the gradients before the optimiser steps."""

    def on_pre_optimizer_step(self, args, state, control, model, **_):
        """Record the gradients."""
        if args.process_index == 0:
            gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
            save_file(gradients, Path(args.output_dir) / "gradients.safetensors")


def tiny(layers, hidden):
    """Return a seeded model."""
    torch.manual_seed(layers)
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "initializer_range": 0.3}
    config = LlamaConfig(vocab_size=13, hidden_size=hidden, intermediate_size=24, num_hidden_layers=layers, **heads)
    return LlamaForCausalLM(config).eval()


def main(folder, ranks):
    """Train one step, with a sixteenth of the rows for each micro-batch and rank."""
    torch.set_num_threads(1)
    rows = torch.randint(1, 13, (16, 6), generator=torch.Generator().manual_seed(0))
    lengths = torch.arange(16) % 5 + 2  # ragged, so that a mean of ranks' means would differ
    mask = (torch.arange(6) < lengths[:, None]).long()
    examples = [
        {"input_ids": i, "attention_mask": m, "labels": i.masked_fill(m == 0, -100)}
        for i, m in zip(rows, mask, strict=True)
    ]
    settings = FitSettings(steps=1, batch_size=16 // ranks, accumulate=4 // ranks, warmup_steps=0, max_grad_norm=0.0)
    registry = Registry()
    registry.register(shortstack_losses, Origin("shortstack", "losses", "0.1.0"))
    trainer = DistillationTrainer(
        tiny(2, 8),
        training_arguments(folder, settings, seed=0, device="cpu", validated=False),
        examples,
        losses={"labels": 1.0, "soft-targets": 1.0, "hidden-states": 1.0},
        teacher=tiny(4, 16),
        selection=Selection(kept=(0, 2), of=4),
        candidates=torch.arange(1, 13),
        registry=registry,
        balancing="gradnorm",
        callbacks=[Gradients()],
    )
    record = fit(trainer)[0]
    if trainer.args.process_index == 0:
        losses = {name: torch.tensor(value) for name, value in record.items() if "/" in name or name == "loss"}
        save_file(losses, folder / "losses.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # an exit beside gloo's running threads may abort the process
