"""Latency of a model per user and of each of its layers, measured on the model's own device."""

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
"""Number of passes, of which the median counts."""


def measured_latency(model: PreTrainedModel, batch: Mapping[str, Tensor], batch_size: int) -> Cost:
    """Measure milliseconds per user: of each layer, and of the rest of the model.

    Args:
        model: The model, measured on its device and in its type.
        batch: ``input_ids`` and ``attention_mask``, ``(batch, tokens)``; rows are repeated up to ``batch_size``.
        batch_size: Users in a batch.
    """
    rows = torch.arange(batch_size) % len(batch["input_ids"])
    inputs = model_inputs(
        model, batch["input_ids"][rows].to(model.device), batch["attention_mask"][rows].to(model.device)
    )
    model = frozen_copy(model)
    decoder = Decoder.of(model)
    wholes, layers = [], [[] for _ in decoder.layers]  # type: list[float], list[list[float]]
    with torch.inference_mode():
        model(**inputs)  # warm-up: the first pass allocates and selects kernels
        for _ in range(REPEATS):
            with _timing(decoder.layers, model.device) as spent:
                wholes.append(milliseconds(lambda: model(**inputs), model.device))
            for times, time in zip(layers, spent, strict=True):
                times.append(time)
    each = [median(times) / batch_size for times in layers]
    # noise can make the sum of the layers exceed the whole
    return Cost(layers=each, fixed=max(0.0, median(wholes) / batch_size - sum(each)))


@contextmanager
def _timing(layers: nn.ModuleList, device: torch.device) -> Iterator[list[float]]:
    """Within the context, add the milliseconds of each layer's call to the list."""
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
    """Measure the milliseconds that some work takes until the device has finished it."""
    _wait(device)
    start = perf_counter()
    work()
    _wait(device)
    return 1000 * (perf_counter() - start)


def _wait(device: torch.device) -> None:
    """Synchronise with a GPU, which works asynchronously."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
