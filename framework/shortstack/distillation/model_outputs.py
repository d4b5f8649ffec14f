"""Logits and layer states of one forward pass, as the losses need them."""

from collections.abc import Callable, Sequence

import attrs
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.contracts import ModelOutputs
from shortstack.errors import UnsupportedModelError
from shortstack.models.candidates import candidate_logits
from shortstack.models.layer_calls import LayerOutput, leaving
from shortstack.models.shared_weights import copied_modules


@attrs.frozen(kw_only=True, eq=False)
class OutputReader:
    """Runs a model and returns its candidate logits and layer states.

    Attributes:
        model: A stock causal language model.
        layers: Layers whose states are returned, index 0 nearest the embeddings; empty for none.
        candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
        logits: Compute logits; if False, no product with the output matrix is computed.
    """

    model: PreTrainedModel
    layers: Sequence[nn.Module]
    candidates: Tensor | None
    logits: bool

    def __call__(
        self, input_ids: Tensor, attention_mask: Tensor, positions: Tensor, embedded: nn.Module | None = None
    ) -> ModelOutputs:
        """Return the outputs for one batch.

        Args:
            input_ids: int64 ``(batch, tokens)``.
            attention_mask: ``(batch, tokens)``, 0 where the token is padding.
            positions: Bool ``(batch, tokens)``: positions whose logits are returned.
            embedded: Module applied to the input embeddings; None for none.

        Raises:
            UnsupportedModelError: No state carries a gradient although the model is being trained.
        """
        # without logits the pass runs for its states alone, and no position is projected
        wanted_positions = positions if self.logits else torch.zeros_like(positions)
        model, states = self._watched(embedded)
        logits = candidate_logits(model, input_ids, attention_mask, wanted_positions, self.candidates)
        if states and logits.requires_grad and not any(state.requires_grad for state in states.values()):
            raise UnsupportedModelError(
                f"no layer of {type(self.model).__name__} passes on a gradient although the model is trained, so a loss "
                "on its states would teach nothing; unfreeze layers, or checkpoint with use_reentrant=False"
            )
        return ModelOutputs(logits=logits if self.logits else None, states=states if self.layers else None)

    def _watched(self, embedded: nn.Module | None) -> tuple[PreTrainedModel, dict[int, Tensor]]:
        """Return a shared-weight copy, and its layers' outputs ``(batch, tokens, hidden)``, before any final norm."""
        embeddings, states = self.model.get_input_embeddings(), dict[int, Tensor]()
        copies = copied_modules(self.model, [*self.layers, *([] if embedded is None else [embeddings])])
        for index, layer in enumerate(self.layers):
            copies[layer].register_forward_hook(_keep(states, index))
        if embedded is not None:
            copies[embeddings].register_forward_hook(lambda _module, _inputs, output: embedded(output))
        return copies[self.model], states


def _keep(states: dict[int, Tensor], index: int) -> Callable[[nn.Module, object, LayerOutput], None]:
    def hook(_layer: nn.Module, _inputs: object, output: LayerOutput) -> None:
        states.setdefault(index, leaving(output))  # a checkpointed layer runs again on the way back

    return hook
