"""The timed jobs: a sweep, and ordinary passes over the same batches to compare it with."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.workloads import Workload
from shortstack import Registry, measure_importance
from shortstack.contracts import FoldScorer
from shortstack.models.candidates import candidate_logits
from shortstack.models.frozen import frozen_copy


def fold_scorers(registry: Registry) -> list[str]:
    """Return the names of all scorers that take part in a sweep."""
    names = [c.descriptor.name for c in registry.components if c.kind == "scorer"]
    return [name for name in names if isinstance(registry.build("scorer", name), FoldScorer)]


def forward(work: Workload) -> None:
    """Run one stock forward pass of every batch."""
    with torch.inference_mode():
        for batch in work.batches:
            work.loss(work.model, batch)


def forward_backward(work: Workload) -> None:
    """Run an ordinary forward and backward pass of every batch, with gradients of all parameters."""
    for batch in work.batches:
        work.loss(work.model, batch).backward()
        work.model.zero_grad(set_to_none=True)


def floor(work: Workload) -> None:
    """Run a forward pass and a backward pass to the activations alone: the cost of a sweep without any scorer."""
    model = frozen_copy(work.model)
    model.get_input_embeddings().register_forward_hook(_differentiable)
    for batch in work.batches:
        ids, mask, labels = batch["input_ids"], batch["attention_mask"], batch["labels"]
        work.objective(model, ids, mask, labels).sum().backward()


def states_only(work: Workload) -> None:
    """Run a forward pass without logits: the cost of a sweep that needs no gradients."""
    with torch.inference_mode():
        for batch in work.batches:
            nowhere = torch.zeros_like(batch["labels"], dtype=torch.bool)
            candidate_logits(work.model, batch["input_ids"], batch["attention_mask"], nowhere, None)


def sweep(work: Workload, scorers: Sequence[str], registry: Registry) -> dict[str, Tensor]:
    """Return the scores, through the public function."""
    importances = measure_importance(work.model, work.batches, scorers, objective=work.objective, registry=registry)
    return {name: importance.scores for name, importance in importances.items()}


def _differentiable(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
    return output.requires_grad_()
