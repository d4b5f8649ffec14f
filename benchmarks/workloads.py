"""Workloads of the benchmarks: models with their batches and objectives."""

from collections.abc import Callable

import attrs
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaConfig, PreTrainedModel

from benchmarks.models import ITEMS, WINDOW, quickstart_teacher
from shortstack.contracts.labels import IGNORED
from shortstack.importance.objectives import candidate_objective
from shortstack.models.initial import initial_model
from shortstack.models.objectives import Objective

Batch = dict[str, Tensor]
EXAMPLES, BATCH = 256, 32


@attrs.frozen(kw_only=True, eq=False)
class Workload:
    """A model with its calibration batches and objective.

    Attributes:
        name: Name in the table.
        model: A stock causal language model.
        batches: Calibration batches.
        objective: The objective that the sweep differentiates.
        loss: The same, negated and summed over a batch, from one stock call of the model.
    """

    name: str
    model: PreTrainedModel
    batches: list[Batch]
    objective: Objective
    loss: Callable[[PreTrainedModel, Batch], Tensor]


def recommenders(device: str = "cpu") -> list[Workload]:
    """Return the quickstart's teacher, calibrated as there; and a wider recommender with a quarter of the examples."""
    return [quickstart(device), wider(device)]


def quickstart(device: str = "cpu") -> Workload:
    """Return the quickstart's teacher with 256 users, the last position of each supervised."""
    return _recommender("quickstart teacher, width 96", awake(quickstart_teacher()), EXAMPLES, device)


def small(device: str = "cpu") -> Workload:
    """Return four layers of width 64 that read 20 items, a usual size of sequential recommenders."""
    return _recommender("small recommender, width 64", _from_scratch(4, 64), EXAMPLES, device, window=20)


def wider(device: str = "cpu") -> Workload:
    """Return twelve layers of width 256 over the same items."""
    return _recommender("wider recommender, width 256", _from_scratch(12, 256), EXAMPLES // 4, device)


def awake(model: PreTrainedModel) -> PreTrainedModel:
    """Add noise to all parameters, so that no layer is the identity: otherwise most gradients would be 0."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return model


def histories(seed: int, examples: int, device: str, window: int = WINDOW) -> Batch:
    """Draw random histories, the last item of each supervised: speed does not depend on the items."""
    tokens = torch.randint(1, ITEMS + 1, (examples, window + 1), generator=torch.Generator().manual_seed(seed))
    labels = torch.full_like(tokens, IGNORED)
    labels[:, -1] = tokens[:, -1]
    batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": labels}
    return {name: tensor.to(device) for name, tensor in batch.items()}


def last_position_loss(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the cross-entropy of the last item of each history."""
    logits = model(batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    return F.cross_entropy(logits[:, -2], batch["labels"][:, -1], reduction="sum")


def stock_loss(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the model's own loss, the mean over all tokens."""
    loss: Tensor = model(**batch, use_cache=False).loss
    return loss


def _from_scratch(layers: int, width: int) -> PreTrainedModel:
    config = LlamaConfig(
        vocab_size=ITEMS + 1,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=max(width // 64, 2),
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    return awake(initial_model(config))


def _recommender(name: str, model: PreTrainedModel, examples: int, device: str, window: int = WINDOW) -> Workload:
    return Workload(
        name=name,
        model=model.to(device),
        batches=[histories(seed, BATCH, device, window) for seed in range(examples // BATCH)],
        objective=candidate_objective(torch.arange(1, ITEMS + 1, device=device)),
        loss=last_position_loss,
    )
