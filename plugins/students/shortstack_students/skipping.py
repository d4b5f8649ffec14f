"""The teacher with some layers skipped: what a subset of its layers must reproduce."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from shortstack.contracts import Selection

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel


def logits_without(teacher: "PreTrainedModel", selection: Selection) -> "Tensor":
    """``(1, tokens, vocabulary)``: logits of a short prompt when only the kept layers have a say."""
    from shortstack.models.decoder import Decoder
    from shortstack.proofs import uncached_logits

    layers = Decoder.of(teacher).layers
    with ExitStack() as stack:
        for index, layer in enumerate(layers):
            if index not in selection.kept:
                stack.enter_context(layer.register_forward_hook(_pass_through, with_kwargs=True))
        return uncached_logits(teacher)


def _pass_through(_layer: "nn.Module", args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
    states = args[0] if args else kwargs["hidden_states"]
    return (states, *output[1:]) if isinstance(output, tuple) else states
