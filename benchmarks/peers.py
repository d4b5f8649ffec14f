"""The same Fisher scores by other methods: a loop over examples, torch.func, and Opacus where it is installed."""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import attrs
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F
from transformers import PreTrainedModel

from benchmarks.passes import sweep
from benchmarks.timing import Row, best_seconds
from benchmarks.workloads import Batch, Workload, histories, last_position_loss, quickstart, small, wider
from shortstack import Registry
from shortstack.importance.objectives import next_token

Squares = dict[str, Tensor]
"""Parameter name → its gradients' squares, summed over elements and examples."""
Peer = Callable[[Batch], Squares]
EXAMPLES, CLOSE = 64, 1e-4
LOOP = "loop over examples"
TARGETS = {8: "at least 3.5", 64: "at least 10"}


def measure_peers(registry: Registry, device: str = "cpu") -> Iterator[Row]:
    """Measure Fisher scores of 64 users on three recommenders, in batches of 8 and 64 (the widest in batches of 8 alone)."""
    sizes = ((small(device), (8, 64)), (quickstart(device), (8, 64)), (wider(device), (8,)))
    for work, batches in sizes:
        for size in batches:
            yield from _beside_peers(work, size, registry, device)


def _beside_peers(work: Workload, size: int, registry: Registry, device: str) -> list[Row]:
    """Check that every peer gives the scores of the sweep, then time them."""
    window = work.batches[0]["input_ids"].shape[1] - 1
    batches = [histories(seed, size, device, window) for seed in range(EXAMPLES // size)]
    same = attrs.evolve(work, batches=batches, objective=next_token)
    peers = {name: partial(_mean, peer, same) for name, peer in _peers(work.model).items()}
    expected = sweep(same, ["fisher"], registry)["fisher"]
    for name, peer in peers.items():
        _require_equal(name, peer(), expected)
    seconds = best_seconds({"sweep": partial(sweep, same, ["fisher"], registry), **peers}, rounds=3)
    return [
        {
            "what": f"{work.name}: fisher of {EXAMPLES} users, batches of {size}",
            "measured": f"sweep {seconds['sweep']:.3f} s",
            "beside": f"{name} {seconds[name]:.3f} s",
            "ratio": seconds[name] / seconds["sweep"],
            "target": TARGETS[size] if name == LOOP else "",
        }
        for name in peers
    ]


def _peers(model: PreTrainedModel) -> dict[str, Peer]:
    return {
        LOOP: partial(looped, model),
        "torch.func.vmap of grad (sdpa, no mask)": partial(vectorised, model),
        **_opacus(model),
    }


def _mean(peer: Peer, work: Workload) -> Tensor:
    """Return Fisher scores over all batches, float64 ``(layers,)``."""
    layers, examples = work.model.config.num_hidden_layers, sum(len(batch["labels"]) for batch in work.batches)
    return torch.stack([squares_by_layer(peer(batch), layers) for batch in work.batches]).sum(0) / examples


def looped(model: PreTrainedModel, batch: Batch) -> Squares:
    """Run one backward pass with parameter gradients for each example."""
    total: Squares = {}
    for row in range(len(batch["input_ids"])):
        last_position_loss(model, {name: tensor[row : row + 1] for name, tensor in batch.items()}).backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                total[name] = total.get(name, 0) + parameter.grad.square().sum()
        model.zero_grad(set_to_none=True)
    return total


def vectorised(model: PreTrainedModel, batch: Batch) -> Squares:
    """Compute per-example gradients with ``vmap(grad(functional_call))``; without a mask, which vmap does not support."""
    parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}

    def loss(given: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
        logits = functional_call(model, dict(given), (tokens[None],), {"use_cache": False}).logits
        return F.cross_entropy(logits[:, -2], tokens[None, -1])

    with warnings.catch_warnings(category=UserWarning, action="ignore"):  # attention has no batching rule on a CPU
        gradients = vmap(grad(loss), (None, 0))(parameters, batch["input_ids"])
    return {name: gradient.square().sum() for name, gradient in gradients.items()}


def _opacus(model: PreTrainedModel) -> dict[str, Peer]:
    """Return Opacus on a copy of the model with frozen embeddings, for only layers are scored."""
    try:
        from opacus.grad_sample import GradSampleModule
    except ImportError:
        print("skipped: opacus is not installed")
        return {}
    frozen = copy.deepcopy(model).train()  # Opacus records nothing in evaluation mode
    frozen.get_input_embeddings().weight.requires_grad = False
    return {"Opacus GradSampleModule": partial(recorded, GradSampleModule(frozen, loss_reduction="sum"))}


def recorded(model: Any, batch: Batch) -> Squares:
    """Return the squared per-example gradients that Opacus records in one backward pass."""
    with warnings.catch_warnings(category=UserWarning, action="ignore"):  # no gradient reaches the frozen embeddings
        last_position_loss(model, batch).backward()
    squares = {name: p.grad_sample.square().sum() for name, p in model.named_parameters() if p.requires_grad}
    model.zero_grad(set_to_none=True)
    return squares


def squares_by_layer(squares: Squares, layers: int) -> Tensor:
    """Return the sums of squares of each layer's parameters, float64 ``(layers,)``."""
    total = torch.zeros(layers, dtype=torch.float64)
    for name, square in squares.items():
        _, separator, place = name.partition(".layers.")
        if separator:
            total[int(place.partition(".")[0])] += square.double().cpu()
    return total


def _require_equal(name: str, found: Tensor, expected: Tensor) -> None:
    apart = float((found - expected).abs().max() / expected.abs().max())
    # not ``apart > CLOSE``, which would let NaN pass
    if not apart <= CLOSE:
        raise AssertionError(f"{name} finds other Fisher scores than the sweep: apart by {apart:.1e} of the largest")
