"""What is scored in the benchmarks: models with the batches and the objective that belong to them."""

from collections.abc import Callable

import attrs
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaConfig, PreTrainedModel

from benchmarks.models import ITEMS, WINDOW, quickstart_teacher
from shortstack.contracts.labels import IGNORED
from shortstack.importance.objectives import Objective, candidate_objective
from shortstack.models.initial import initial_model

Batch = dict[str, Tensor]
EXAMPLES, BATCH = 256, 32


@attrs.frozen(kw_only=True, eq=False)
class Workload:
    """A model and what it is scored on.

    Attributes:
        name: For the table.
        model: A stock causal language model.
        batches: Calibration batches.
        objective: What the sweep differentiates.
        loss: The same, negated and summed over a batch, from one stock call of the model.
    """

    name: str
    model: PreTrainedModel
    batches: list[Batch]
    objective: Objective
    loss: Callable[[PreTrainedModel, Batch], Tensor]


def recommenders(device: str = "cpu") -> list[Workload]:
    """The quickstart's teacher, calibrated as there; and a wider recommender with a quarter of the examples."""
    return [quickstart(device), wider(device)]


def quickstart(device: str = "cpu") -> Workload:
    """256 users, the last position of each supervised."""
    return _recommender("quickstart teacher, width 96", awake(quickstart_teacher()), EXAMPLES, device)


def wider(device: str = "cpu") -> Workload:
    """Twelve layers of width 256 over the same items."""
    config = LlamaConfig(
        vocab_size=ITEMS + 1,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=12,
        num_attention_heads=4,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    return _recommender("wider recommender, width 256", awake(initial_model(config)), EXAMPLES // 4, device)


def awake(model: PreTrainedModel) -> PreTrainedModel:
    """The model, no layer of which is the identity any longer: otherwise most gradients would be 0."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return model


def histories(seed: int, examples: int, device: str) -> Batch:
    """Random histories, the last item of each supervised: speed does not depend on which items they hold."""
    tokens = torch.randint(1, ITEMS + 1, (examples, WINDOW + 1), generator=torch.Generator().manual_seed(seed))
    labels = torch.full_like(tokens, IGNORED)
    labels[:, -1] = tokens[:, -1]
    batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": labels}
    return {name: tensor.to(device) for name, tensor in batch.items()}


def last_position_loss(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Cross-entropy of the last item of each history."""
    logits = model(batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    return F.cross_entropy(logits[:, -2], batch["labels"][:, -1], reduction="sum")


def stock_loss(model: PreTrainedModel, batch: Batch) -> Tensor:
    """The model's own loss, the mean over all tokens."""
    loss: Tensor = model(**batch, use_cache=False).loss
    return loss


def _recommender(name: str, model: PreTrainedModel, examples: int, device: str) -> Workload:
    return Workload(
        name=name,
        model=model.to(device),
        batches=[histories(seed, BATCH, device) for seed in range(examples // BATCH)],
        objective=candidate_objective(torch.arange(1, ITEMS + 1, device=device)),
        loss=last_position_loss,
    )
