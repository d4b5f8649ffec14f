"""``compress``: a method applied to every linear module of a model's layers, from the embeddings up."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.compression.inputs import input_statistics
from shortstack.compression.linears import linears_of, put_in_place, require_linear
from shortstack.compression.method import Method
from shortstack.errors import EmptyDataError, UnsupportedModelError
from shortstack.models.decoder import Decoder


def compress(model: PreTrainedModel, method: Method, calibration: Iterable[Mapping[str, Tensor]] = ()) -> None:
    """Compress the layers of a model in place. Embeddings, output rows, norms and biases stay as they are.

    A layer's inputs are measured with the layers before it compressed already, as Wanda and SparseGPT do, so that each sees
    the errors of those before: one pass over the calibration examples a layer.

    Args:
        model: A decoder-only causal language model in evaluation mode.
        method: The method.
        calibration: Batches of ``input_ids`` and ``attention_mask``, for methods with a ``statistic``.

    Raises:
        UnsupportedModelError: A layer has weights that the method cannot compress.
        EmptyDataError: The method needs calibration examples, and there are none.
    """
    require_compressible(model, method)
    batches = list(calibration) if method.statistic is not None else []
    if method.statistic is not None and not batches:
        raise EmptyDataError(f"{method.name} measures inputs on calibration examples: give some")
    with torch.no_grad():
        for layer in Decoder.of(model).layers:
            _compress_layer(model, layer, method, batches)


def require_compressible(model: PreTrainedModel, method: Method) -> None:
    """Raise if a method cannot compress the layers of a model.

    Raises:
        UnsupportedModelError: It cannot; the message names the weights.
    """
    for layer in Decoder.of(model).layers:
        require_linear(layer, type(model).__name__)
        for name, linear in linears_of(layer).items():
            if problem := method.problem(linear):
                raise UnsupportedModelError(
                    f"{method.name} cannot compress {type(model).__name__}: the weights {name} {problem}"
                )


def _compress_layer(
    model: PreTrainedModel, layer: nn.Module, method: Method, batches: list[Mapping[str, Tensor]]
) -> None:
    linears = linears_of(layer)
    put_in_place(layer, dict(linears))
    statistics: Mapping[str, Tensor] = {}
    if method.statistic is not None:
        statistics = input_statistics(model, linears, batches, method.statistic)
    put_in_place(layer, {name: method.compress(linear, statistics.get(name)) for name, linear in linears.items()})
