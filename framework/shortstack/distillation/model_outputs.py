"""Logits, layer states and attention inputs of one forward pass, as the losses need them."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Final

import attrs
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.contracts import ModelOutputs, Output
from shortstack.distillation.compiled_layers import CompiledLayers
from shortstack.distillation.liger_patches import LigerKernels
from shortstack.errors import UnsupportedModelError
from shortstack.models.attention_inputs import AttentionRecord, configured, read_into
from shortstack.models.candidates import candidate_logits
from shortstack.models.head_split import Head, final_states, has_head
from shortstack.models.layer_calls import LayerOutput, leaving
from shortstack.models.shared_weights import Copies, copied_modules


@attrs.frozen(kw_only=True)
class OutputsOf:
    """The members of ``Output`` that are one model's."""

    logits: Output
    states: Output
    attention: Output


STUDENT_OUTPUTS: Final = OutputsOf(
    logits=Output.STUDENT_LOGITS, states=Output.STUDENT_STATES, attention=Output.STUDENT_ATTENTION
)
TEACHER_OUTPUTS: Final = OutputsOf(
    logits=Output.TEACHER_LOGITS, states=Output.TEACHER_STATES, attention=Output.TEACHER_ATTENTION
)


@attrs.frozen(kw_only=True, eq=False)
class FinalStates:
    """Final states at the supervised positions, from which logits are computed when they are needed.

    Attributes:
        rows: ``(positions, hidden)``.
        head: Maps any of these rows to logits ``(rows, candidates)``.
        constant: The logits carry no gradient: the pass was made without, as a teacher's is.
    """

    rows: Tensor
    head: Head
    constant: bool

    def logits_of(self, part: slice) -> Tensor:
        """Return the logits of some positions."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.constant):
            return self.head(self.rows[part])


@attrs.frozen(kw_only=True, eq=False)
class PassOutputs:
    """Outputs of one model for one batch.

    Attributes:
        logits: ``(positions, candidates)``; None if no loss needs them, or if ``final`` is there.
        final: Final states, instead of logits; None if no loss needs logits, or if the model is not split.
        layers: What the layers give: states and attention, without logits.
    """

    logits: Tensor | None = None
    final: FinalStates | None = None
    layers: ModelOutputs = attrs.field(factory=ModelOutputs)

    def logits_of(self, part: slice) -> Tensor | None:
        """Return the logits of some positions; None if no loss needs logits."""
        if self.final is not None:
            return self.final.logits_of(part)
        return None if self.logits is None else self.logits[part]

    def narrowed(self, columns: Tensor) -> "PassOutputs":
        """Return the same with the logits of some candidates alone, int64 ``(columns,)``, indices among all."""
        if self.final is not None:
            return attrs.evolve(self, final=attrs.evolve(self.final, head=self.final.head.narrowed(columns)))
        return self if self.logits is None else attrs.evolve(self, logits=self.logits[:, columns])

    def settled(self) -> "PassOutputs":
        """Return itself, the head's rows looked up: where no gradient is recorded, they are constants."""
        if self.final is not None:
            self.final.head.look_up()
        return self

    def whole(self, outputs: OutputsOf, needs: AbstractSet[Output]) -> ModelOutputs:
        """Return what the layers give, and the logits of all positions if they are needed.

        Args:
            outputs: The outputs of this model.
            needs: Outputs that are needed.
        """
        return attrs.evolve(self.layers, logits=self.logits_of(slice(None))) if outputs.logits in needs else self.layers


@attrs.frozen(kw_only=True, eq=False)
class OutputReader:
    """Runs a model and returns its candidate logits, or the final states that they are computed from, and what its layers give.

    Attributes:
        model: A stock causal language model.
        layers: Layers that are read or compiled, index 0 nearest the embeddings; empty for none.
        candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
        logits: A loss needs logits; if False, no product with the output matrix is computed.
        states: Return the layers' outputs.
        attention: Return the layers' queries, keys and values.
        compiled: The layers' compiled forward passes; None to run them as they are.
        kernels: Liger's kernels for the model; None to run it as it is.
    """

    model: PreTrainedModel
    layers: Sequence[nn.Module]
    candidates: Tensor | None
    logits: bool
    states: bool
    attention: bool
    compiled: CompiledLayers | None = None
    kernels: LigerKernels | None = None

    @cached_property
    def _is_split(self) -> bool:
        """True if final states are returned instead of logits; tried at the first pass, in its precision."""
        return self.logits and has_head(self.model, self.candidates)

    def __call__(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        positions: Tensor,
        embedded: Callable[[Tensor], Tensor] | None = None,
    ) -> PassOutputs:
        """Return the outputs for one batch.

        Args:
            input_ids: int64 ``(batch, tokens)``.
            attention_mask: ``(batch, tokens)``, 0 where the token is padding.
            positions: Bool ``(batch, tokens)``: positions whose logits are returned.
            embedded: Applied to the input embeddings ``(batch, tokens, hidden)``; None for none.

        Raises:
            UnsupportedModelError: No state, or no query, carries a gradient although the model is being trained.
        """
        copies, states, record = self._watched(embedded)
        model = copies[self.model]
        if self._is_split:
            rows = final_states(model, input_ids, attention_mask, positions)
            head = Head(self.model, self.candidates)
            result = PassOutputs(final=FinalStates(rows=rows, head=head, constant=not torch.is_grad_enabled()))
        else:
            # without logits the pass runs for its layers alone, and no position is projected
            wanted = positions if self.logits else torch.zeros_like(positions)
            logits = candidate_logits(model, input_ids, attention_mask, wanted, self.candidates)
            result = PassOutputs(logits=logits if self.logits else None)
        self._require_gradient("states", list(states.values()))
        self._require_gradient("attention", [inputs.queries for inputs in record.inputs.values()])
        return attrs.evolve(
            result,
            layers=ModelOutputs(
                states=states if self.states else None, attention=record.inputs if self.attention else None
            ),
        )

    def _require_gradient(self, what: str, tensors: Sequence[Tensor]) -> None:
        trained = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in self.model.parameters())
        if trained and tensors and not any(tensor.requires_grad for tensor in tensors):
            raise UnsupportedModelError(
                f"no layer of {type(self.model).__name__} passes on a gradient although the model is trained, so a loss "
                f"on its {what} would teach nothing; unfreeze layers, or checkpoint with use_reentrant=False"
            )

    def _watched(
        self, embedded: Callable[[Tensor], Tensor] | None
    ) -> tuple[Copies, dict[int, Tensor], AttentionRecord]:
        """Return a shared-weight copy, and what a pass of it fills: layer outputs ``(batch, tokens, hidden)``, attention."""
        embeddings, states, record = self.model.get_input_embeddings(), dict[int, Tensor](), AttentionRecord()
        attending = [m for layer in self.layers for m in configured(layer)] if self.attention else []
        replaced = [] if self.kernels is None else self.kernels.modules
        parts = [*self.layers, *attending, *replaced, *([] if embedded is None else [embeddings])]
        copies = copied_modules(self.model, parts)
        if self.kernels is not None:
            self.kernels.set_in(copies)
        for index, layer in enumerate(self.layers):
            if self.states:
                copies[layer].register_forward_hook(_keep(states, index))
            if self.attention:
                copies[layer].register_forward_pre_hook(record.entering(index))
            if self.compiled is not None:
                self.compiled.set_in(copies[layer])
        for module in dict.fromkeys(attending):
            read_into(copies[module], record)
        if embedded is not None:
            copies[embeddings].register_forward_hook(lambda _module, _inputs, output: embedded(output))
        return copies, states, record


def _keep(states: dict[int, Tensor], index: int) -> Callable[[nn.Module, object, LayerOutput], None]:
    def hook(_layer: nn.Module, _inputs: object, output: LayerOutput) -> None:
        states.setdefault(index, leaving(output))  # a checkpointed layer runs again on the way back

    return hook
