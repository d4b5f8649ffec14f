"""Search for the layer at which a forward pass becomes NaN or infinite, run only after an error."""

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from shortstack.importance.calibration import Batch
from shortstack.models.candidates import candidate_logits
from shortstack.models.decoder import Decoder
from shortstack.models.layer_calls import entering, leaving


def first_nonfinite_layer(decoder: Decoder, batch: Batch, example: int) -> str:
    """Return a phrase for where the hidden states of one example are first NaN or infinite, by running it again.

    Args:
        decoder: The model's layers.
        batch: The examples.
        example: Index of the example, from 0.
    """
    row = slice(example, example + 1)
    ids, mask = batch.input_ids[row], batch.attention_mask[row]
    broken: list[int] = []

    def entered(_layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not _finite(entering(args, kwargs), mask):
            broken.append(-1)

    def left(index: int, output: Any) -> None:
        if not _finite(leaving(output), mask):
            broken.append(index)

    with ExitStack() as stack, torch.no_grad():
        handle = decoder.layers[0].register_forward_pre_hook(entered, with_kwargs=True)
        stack.callback(handle.remove)
        for index, layer in enumerate(decoder.layers):
            handle = layer.register_forward_hook(lambda _layer, _args, output, index=index: left(index, output))
            stack.callback(handle.remove)
        # no positions: the hooks only need the states
        candidate_logits(decoder.model, ids, mask, torch.zeros_like(mask, dtype=torch.bool), None)
    if not broken:
        return "all layers give finite numbers, so it is the output head or the objective"
    return "so are the embeddings" if broken[0] < 0 else f"layer {broken[0]} is the first to give such numbers"


def _finite(states: Tensor, mask: Tensor) -> bool:
    return bool(states[mask.bool()].isfinite().all())
