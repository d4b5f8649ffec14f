"""A model in two parts: the body, whose result is the final states, and the head, which maps rows of them to logits.

The logits of all supervised positions at once take ``positions × candidates`` numbers. With the parts apart they are
computed for some positions at a time, or from states that were stored. The head is everything that a model does after
its body: transforms, the product with the output matrix, scales, soft caps.
"""

from functools import cached_property
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from shortstack.errors import UnsupportedModelError
from shortstack.models.candidates import OutputRows, candidate_logits, replace_forward
from shortstack.models.decoder import Decoder, model_inputs
from shortstack.models.frozen import frozen_copy
from shortstack.models.shared_weights import copied_modules

_TRIED_TOKENS: Final = 4


class Head:
    """The head of a model, for some candidates.

    It reads a shared-weight copy of its own, so that gradients reach the model's weights. The candidates' rows of the
    output matrix are looked up when they are first needed, once, so one head is made for each pass.

    Attributes:
        candidates: Number of logits of a position.
    """

    def __init__(self, model: PreTrainedModel, candidates: Tensor | None) -> None:
        """Keep the model and the candidates.

        Args:
            model: A causal language model that ``has_head``.
            candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
        """
        self._origin, self._tokens, self._given = model, candidates, _GivenStates()
        # not the input's rows, of which some families have more
        rows = getattr(model.get_output_embeddings(), "weight", model.get_input_embeddings().weight)
        self.candidates = len(rows) if candidates is None else len(candidates)

    def narrowed(self, columns: Tensor) -> "Head":
        """Return the head for some of the candidates, int64 ``(columns,)``, indices among them."""
        return Head(self._origin, columns if self._tokens is None else self._tokens[columns])

    def look_up(self) -> None:
        """Look up the candidates' rows now, for example where no gradient is recorded."""
        _ = self._rows

    @property
    def weights(self) -> list[Tensor]:
        """Tensors that the logits depend on, beside the states."""
        return [*self._rows.weights, *self._others]

    @property
    def sources(self) -> list[Tensor]:
        """The same before autocast's conversion."""
        return [*self._rows.sources, *self._others]

    @property
    def _others(self) -> list[Tensor]:
        """Parameters outside body and output matrix."""
        body, output = body_of(self._origin), self._origin.get_output_embeddings()
        inside = {id(parameter) for parameter in (*body.parameters(), *output.parameters())}
        return [parameter for parameter in self._origin.parameters() if id(parameter) not in inside]

    @cached_property
    def _rows(self) -> OutputRows:
        return OutputRows(self._origin.get_output_embeddings(), self._tokens)

    @cached_property
    def _model(self) -> nn.Module:
        """The copy, whose body gives the states and whose output reads the rows."""
        body, output = body_of(self._origin), self._origin.get_output_embeddings()
        copies = copied_modules(self._origin, [body, output])
        replace_forward(copies[body], self._given)
        replace_forward(copies[output], self._rows)
        whole: nn.Module = copies[self._origin]
        return whole

    def __call__(self, states: Tensor) -> Tensor:
        """Map final states ``(positions, hidden)`` to logits ``(positions, candidates)``."""
        self._given.states = states[None]
        tokens = torch.zeros(1, len(states), dtype=torch.long, device=states.device)
        logits: Tensor = self._model(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).logits
        return logits.squeeze(0)  # unlike logits[0], whose gradient is a copy in a block of zeros


def final_states(model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, positions: Tensor) -> Tensor:
    """Return the result of a model's body at some positions, ``(positions, hidden)``, in the order of ``nonzero()``.

    Args:
        model: A causal language model; not modified.
        input_ids: int64 ``(batch, tokens)``.
        attention_mask: ``(batch, tokens)``, 0 where the token is padding.
        positions: Bool ``(batch, tokens)``.

    Raises:
        UnsupportedModelError: The body gives no such states.
    """
    body, kept = body_of(model), list[Tensor]()

    def keep(_body: nn.Module, _inputs: object, output: Any) -> None:
        states = getattr(output, "last_hidden_state", None)
        if isinstance(states, Tensor) and states.shape[:-1] == positions.shape:
            kept.append(states[positions])
            output.last_hidden_state = states[:, :0]  # so that the head computes nothing

    output, vocabulary = model.get_output_embeddings(), model.get_input_embeddings().num_embeddings
    copies = copied_modules(model, [body, output])
    copies[body].register_forward_hook(keep)
    # of no positions; the module itself would have its whole matrix converted by autocast
    replace_forward(copies[output], lambda hidden: hidden.new_zeros(*hidden.shape[:-1], vocabulary))
    copies[model](**model_inputs(model, input_ids, attention_mask))
    if not kept:
        raise UnsupportedModelError(f"{type(body).__name__} gives no final states")
    return kept[0]


@torch.no_grad()
def has_head(model: PreTrainedModel, candidates: Tensor | None) -> bool:
    """Return True if a model's logits at a position are a function of the final state there, which ``Head`` computes.

    The model is tried on a few tokens in evaluation mode, since a family may do anything between body and logits.

    Args:
        model: A causal language model; not modified.
        candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
    """
    resting = frozen_copy(model)
    tokens = torch.arange(_TRIED_TOKENS, device=model.device)[None] % model.get_input_embeddings().num_embeddings
    batch = tokens, torch.ones_like(tokens), torch.ones_like(tokens, dtype=torch.bool)
    expected = candidate_logits(resting, *batch, candidates)
    try:
        states, head = final_states(resting, *batch), Head(resting, candidates)
        logits = torch.cat([head(states[:1]), head(states[1:])])
    except Exception:  # noqa: BLE001 -- a family that is not of two such parts fails in a way of its own
        return False
    near = 1e-3 if expected.dtype in {torch.float32, torch.float64} else 3e-2
    return torch.allclose(logits, expected, rtol=near, atol=near * float(expected.abs().max()))


def body_of(model: PreTrainedModel) -> nn.Module:
    """Return the part of a model before its head: it holds all layers, and gives the final states."""
    layers = Decoder.of(model).layers
    around: list[nn.Module] = [part for part in (model.get_decoder(), *model.children()) if part is not model]
    return next(part for part in around if any(module is layers for module in part.modules()))


class _GivenStates:
    """Body that gives states which are there already."""

    states: Tensor

    def __call__(self, *_: object, **__: object) -> "_BodyOutput":
        return _BodyOutput(last_hidden_state=self.states)


class _BodyOutput(BaseModelOutputWithPast):  # type: ignore[misc]  # transformers is untyped
    """Output of a body in which every other field is None, those of single families included."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
