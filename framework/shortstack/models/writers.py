"""The parameters by which a decoder layer writes to the residual stream."""

from typing import Final

from torch import nn

RESIDUAL_WRITERS: Final = ("o_proj", "down_proj", "c_proj", "out_proj", "fc2", "fc_out", "dense", "dense_4h_to_h")
"""Names of the last matrix of an attention or MLP part, across the families of transformers."""


def residual_writers(layer: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Weights and biases of a layer's last matrices, with their names in the layer; experts are parameters themselves."""
    return [(n, p) for n, p in layer.named_parameters() if set(n.split(".")[-2:]) & set(RESIDUAL_WRITERS)]
