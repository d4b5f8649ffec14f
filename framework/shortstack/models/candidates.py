"""Logits of the candidates at the supervised positions only: no other product with the output matrix is computed."""

from collections.abc import Callable, Sequence
from typing import TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from shortstack.contracts.labels import IGNORED
from shortstack.errors import ConfigurationError, UnsupportedModelError
from shortstack.models.decoder import model_inputs
from shortstack.models.shared_weights import copied_modules


def supervision(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Shift labels onto the positions that predict them.

    Args:
        labels: int64 ``(batch, tokens)``, aligned with the inputs, −100 where unsupervised.

    Returns:
        Bool ``(batch, tokens)``, True where a token's successor is a label, and those labels, ``(positions,)``,
        row by row.

    >>> supervision(torch.tensor([[-100, 7, -100, 9]]))
    (tensor([[ True, False,  True, False]]), tensor([7, 9]))
    """
    following = F.pad(labels[:, 1:], (0, 1), value=IGNORED)
    positions = following != IGNORED
    return positions, following[positions]


def candidate_index(candidates: Tensor, vocabulary: int) -> Tensor:
    """Return the index of each token id among the candidates, int64 ``(vocabulary,)``; −1 for other tokens.

    Raises:
        ConfigurationError: A candidate lies outside the vocabulary, or occurs twice.

    >>> candidate_index(torch.tensor([3, 1]), vocabulary=5)
    tensor([-1,  1, -1,  0, -1])
    """
    outside = candidates[(candidates < 0) | (candidates >= vocabulary)]
    if len(outside):
        raise ConfigurationError(
            f"candidate token {int(outside.max())} lies outside the model's vocabulary of {vocabulary} tokens; "
            "the vocabulary must hold every item"
        )
    unique, times = candidates.unique(return_counts=True)
    if len(unique) < len(candidates):
        raise ConfigurationError(
            f"candidate token {int(unique[times > 1][0])} is there twice; name each item's token once"
        )
    index = torch.full((vocabulary,), -1, dtype=torch.long, device=candidates.device)
    index[candidates] = torch.arange(len(candidates), device=candidates.device)
    return index


def candidate_logits(
    model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, positions: Tensor, candidates: Tensor | None
) -> Tensor:
    """Return a model's own logits, soft caps and scales included, at some positions and for some tokens.

    The model is not modified, so any number of threads may do this at once.

    Args:
        model: A stock causal language model.
        input_ids: int64 ``(batch, tokens)``.
        attention_mask: ``(batch, tokens)``, 0 where the token is padding.
        positions: Bool ``(batch, tokens)``: where logits are wanted.
        candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.

    Returns:
        ``(positions, candidates)``, rows in the order of ``positions.nonzero()``.

    Raises:
        UnsupportedModelError: The model has no output head.
    """
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Module):
        raise UnsupportedModelError(f"{type(model).__name__} has no output head, so it cannot rank candidates")
    copies, projection = copied_modules(model, [head]), _Projection(head, positions, candidates)
    replace_forward(copies[head], projection)
    logits: Tensor = copies[model](**model_inputs(model, input_ids, attention_mask)).logits
    if projection.called:
        return logits.squeeze(0)  # unlike logits[0], whose gradient is a copy in a block of zeros
    # the model bypassed the head's module, or called it on several streams: it computed the logits of all positions
    return logits[positions] if candidates is None else logits[positions][:, candidates]


def last_logits(model: PreTrainedModel, rows: Sequence[Tensor], candidates: Tensor, *, pad: int = 0) -> Tensor:
    """Return the logits of some tokens after the last token of each row.

    Args:
        model: A stock causal language model.
        rows: int64, one-dimensional, none of them empty, on the CPU.
        candidates: int64 ``(candidates,)`` token ids, on the model's device.
        pad: The token to the right of shorter rows; it is masked.

    Returns:
        ``(rows, candidates)``, on the model's device.
    """
    ends = torch.tensor([len(row) for row in rows])[:, None]
    inputs = pad_sequence(list(rows), batch_first=True, padding_value=pad)
    places = torch.arange(inputs.shape[1])[None]
    mask, last = (places < ends).long(), places == ends - 1
    inputs, mask, last = (part.to(model.device) for part in (inputs, mask, last))
    return candidate_logits(model, inputs, mask, last, candidates)


class _Projection:
    """An output head restricted to some positions and to the rows of some tokens."""

    def __init__(self, head: nn.Module, positions: Tensor, candidates: Tensor | None) -> None:
        """Wrap the model's own head, which is not modified."""
        self._restricted, self._positions, self._whole = OutputRows(head, candidates), positions, head
        self.called = False

    def __call__(self, hidden: Tensor) -> Tensor:
        """Map hidden states ``(batch, tokens, hidden)`` to logits ``(1, positions, candidates)``."""
        if hidden.shape[:-1] != self._positions.shape:  # of several streams at once, as in ProphetNet
            return cast("Tensor", self._whole(hidden))
        self.called = True
        return self._restricted(hidden[self._positions].unsqueeze(0))


class OutputRows:
    """An output head restricted to the rows of some tokens, which are looked up once.

    Attributes:
        weights: Tensors that the logits depend on, beside the states: the rows, or the parameters of the whole head.
        sources: The same before autocast's conversion.
    """

    def __init__(self, head: nn.Module, candidates: Tensor | None) -> None:
        """Look up the rows.

        Args:
            head: The model's own head, which is not modified.
            candidates: int64 ``(candidates,)`` token ids; None for the whole vocabulary.
        """
        self._head, self._candidates = head, candidates
        self._rows: tuple[Tensor, ...] = ()
        self.sources: tuple[Tensor, ...] = tuple(head.parameters())
        if _is_plain(head):  # a head has a bias or none
            self.sources = tuple(_looked_up(parameter, candidates) for parameter in head.parameters())
            self._rows = tuple(_lowered(rows) for rows in self.sources)
        self.weights = self._rows or self.sources

    def __call__(self, hidden: Tensor) -> Tensor:
        """Map hidden states ``(…, hidden)`` to logits ``(…, candidates)``."""
        if self._rows:
            return F.linear(hidden, *self._rows)
        logits = cast("Tensor", self._head(hidden))
        return logits if self._candidates is None else logits[..., self._candidates]


def _looked_up(parameter: Tensor, candidates: Tensor | None) -> Tensor:
    """Return the candidates' rows: a view if they follow one another, as items do that were added together."""
    if candidates is None:
        return parameter
    if len(candidates) and bool((candidates.diff() == 1).all()):
        return parameter[int(candidates[0]) : int(candidates[-1]) + 1]
    return parameter[candidates]


def _lowered(rows: Tensor) -> Tensor:
    """Return rows in the type in which autocast multiplies them, so that they are converted once."""
    device = rows.device.type
    lowered = torch.is_autocast_enabled(device) and rows.dtype != torch.float64
    return rows.to(torch.get_autocast_dtype(device)) if lowered else rows


def replace_forward(copied: nn.Module, forward: Callable[..., object]) -> None:
    """Let a module of a shared-weight copy compute something else, without the hooks of the original."""
    attributes = vars(copied)
    hooks = {name: type(attributes[name])() for name in attributes if name.endswith("_hooks")}
    attributes.update(hooks, forward=forward)


def _is_plain(head: nn.Module) -> TypeGuard[nn.Linear]:
    """Return True if a head is a plain linear map, without hooks, patches or adapters."""
    attributes = vars(head)
    stock = isinstance(head, nn.Linear) and type(head).forward is nn.Linear.forward and "forward" not in attributes
    return (
        stock
        and type(head.weight) is nn.Parameter
        and not any(attributes[name] for name in attributes if name.endswith("_hooks"))
    )
