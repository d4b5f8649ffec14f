"""One forward pass of a model, keeping what the losses need of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import attrs
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.contracts import ModelOutputs
from shortstack.errors import UnsupportedModelError
from shortstack.models.candidates import candidate_logits
from shortstack.models.layer_calls import LayerOutput, leaving


@attrs.frozen(kw_only=True, eq=False)
class OutputReader:
    """Runs a model and gives its candidate logits and layer states.

    Attributes:
        model: A stock causal language model.
        layers: The layers to watch, index 0 nearest the embeddings; empty for none.
        candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
        logits: Whether logits are wanted; without them nothing goes through the output matrix.
    """

    model: PreTrainedModel
    layers: Sequence[nn.Module]
    candidates: Tensor | None
    logits: bool

    def __call__(self, input_ids: Tensor, attention_mask: Tensor, positions: Tensor) -> ModelOutputs:
        """What one batch gives.

        Args:
            input_ids: int64 ``(batch, tokens)``.
            attention_mask: ``(batch, tokens)``, 0 where the token is padding.
            positions: Bool ``(batch, tokens)``: where logits are wanted.

        Raises:
            UnsupportedModelError: No state carries a gradient although the model is being trained.
        """
        asked = positions if self.logits else torch.zeros_like(positions)
        with layer_states(self.layers) as states:
            logits = candidate_logits(self.model, input_ids, attention_mask, asked, self.candidates)
        if states and logits.requires_grad and not any(state.requires_grad for state in states.values()):
            raise UnsupportedModelError(
                f"no layer of {type(self.model).__name__} passes on a gradient although the model is trained, so a loss "
                "on its states would teach nothing; unfreeze layers, or checkpoint with use_reentrant=False"
            )
        return ModelOutputs(logits=logits if self.logits else None, states=states if self.layers else None)


@contextmanager
def layer_states(layers: Sequence[nn.Module]) -> Iterator[dict[int, Tensor]]:
    """Collect what leaves each layer, ``(batch, tokens, hidden)``, before any final norm."""
    states: dict[int, Tensor] = {}
    hooks = [layer.register_forward_hook(_keep(states, index)) for index, layer in enumerate(layers)]
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()


def _keep(states: dict[int, Tensor], index: int) -> Callable[[nn.Module, object, LayerOutput], None]:
    def hook(_layer: nn.Module, _inputs: object, output: LayerOutput) -> None:
        states[index] = leaving(output)

    return hook
