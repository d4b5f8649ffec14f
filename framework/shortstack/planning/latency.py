"""How long a model takes for a user, and what part of that each layer has: measured, on the model's own device."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.config.budget import Cost
from shortstack.models.decoder import Decoder, model_inputs
from shortstack.models.frozen import frozen_copy

REPEATS: Final = 9
"""Of which the median counts."""


def measured_latency(model: PreTrainedModel, batch: Mapping[str, Tensor], batch_size: int) -> Cost:
    """Milliseconds a user: of each layer, and besides.

    Args:
        model: Where it is, as it is.
        batch: ``input_ids`` and ``attention_mask``, ``(batch, tokens)``; repeated to the size that is asked for.
        batch_size: Users at a time.
    """
    rows = torch.arange(batch_size) % len(batch["input_ids"])
    inputs = model_inputs(
        model, batch["input_ids"][rows].to(model.device), batch["attention_mask"][rows].to(model.device)
    )
    model = frozen_copy(model)
    decoder = Decoder.of(model)
    wholes, layers = [], [[] for _ in decoder.layers]  # type: list[float], list[list[float]]
    with torch.inference_mode():
        model(**inputs)  # the first pass sets things up
        for _ in range(REPEATS):
            with _timing(decoder.layers, model.device) as spent:
                wholes.append(milliseconds(lambda: model(**inputs), model.device))
            for found, one in zip(layers, spent, strict=True):
                found.append(one)
    each = [median(found) / batch_size for found in layers]
    return Cost(layers=each, fixed=max(0.0, median(wholes) / batch_size - sum(each)))


@contextmanager
def _timing(layers: nn.ModuleList, device: torch.device) -> Iterator[list[float]]:
    """Inside, the milliseconds of each layer's call are added to the list."""
    spent, starts = [0.0] * len(layers), [0.0] * len(layers)

    def enter(index: int) -> Callable[..., None]:
        def note(*_: Any) -> None:
            _wait(device)
            starts[index] = perf_counter()

        return note

    def leave(index: int) -> Callable[..., None]:
        def note(*_: Any) -> None:
            _wait(device)
            spent[index] += 1000 * (perf_counter() - starts[index])

        return note

    handles = [layer.register_forward_pre_hook(enter(index)) for index, layer in enumerate(layers)]
    handles += [layer.register_forward_hook(leave(index)) for index, layer in enumerate(layers)]
    try:
        yield spent
    finally:
        for handle in handles:
            handle.remove()


def milliseconds(work: Callable[[], object], device: torch.device) -> float:
    """What some work takes until the device is done with it."""
    _wait(device)
    start = perf_counter()
    work()
    _wait(device)
    return 1000 * (perf_counter() - start)


def _wait(device: torch.device) -> None:
    """A GPU works on while Python goes on."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
