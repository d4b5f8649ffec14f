"""One sweep for all scorers beside one ordinary forward and backward pass of the same batches."""

import torch
from torch.nn import functional as F

from benchmarks.models import ITEMS, WINDOW, quickstart_teacher
from benchmarks.timing import Row, best_seconds
from shortstack import Registry, measure_importance
from shortstack.contracts import FoldScorer
from shortstack.contracts.labels import IGNORED
from shortstack.importance.objectives import candidate_objective

EXAMPLES, BATCH = 256, 32


def measure_sweep(device: str = "cpu") -> list[Row]:
    """Calibration as in the quickstart: 256 users, the last position of each supervised."""
    model, candidates = quickstart_teacher().to(device), torch.arange(1, ITEMS + 1, device=device)
    batches = [_batch(seed, device) for seed in range(EXAMPLES // BATCH)]
    registry = Registry.from_environment()
    names = [c.descriptor.name for c in registry.components if c.kind == "scorer"]
    folds = [name for name in names if isinstance(registry.build("scorer", name), FoldScorer)]

    def sweep() -> None:
        measure_importance(model, batches, folds, objective=candidate_objective(candidates), registry=registry)

    def forward_backward() -> None:
        for batch in batches:
            logits = model(batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
            F.cross_entropy(logits[:, -2], batch["labels"][:, -1]).backward()
            model.zero_grad()

    seconds = best_seconds({"sweep": sweep, "forward+backward": forward_backward})
    return [
        {
            "what": f"one sweep, {len(folds)} scorers: {', '.join(folds)}",
            "measured": f"{seconds['sweep']:.2f} s",
            "beside": f"forward+backward with parameter gradients {seconds['forward+backward']:.2f} s",
            "ratio": seconds["sweep"] / seconds["forward+backward"],
            "target": "",
        }
    ]


def _batch(seed: int, device: str) -> dict[str, torch.Tensor]:
    tokens = torch.randint(1, ITEMS + 1, (BATCH, WINDOW + 1), generator=torch.Generator().manual_seed(seed))
    labels = torch.full_like(tokens, IGNORED)
    labels[:, -1] = tokens[:, -1]
    batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": labels}
    return {name: tensor.to(device) for name, tensor in batch.items()}
