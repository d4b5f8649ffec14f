"""A recommender as one function of tensors, which tracing can follow: from histories to the best items."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from shortstack.errors import UnsupportedModelError
from shortstack.models.candidates import OutputRows, replace_forward
from shortstack.models.decoder import model_inputs
from shortstack.models.frozen import frozen_copy
from shortstack.models.shared_weights import copied_modules
from shortstack.recommender import Recommender

Graph = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Histories and left-out items → the best items and their scores: what ``BestItems.forward`` says, in any format."""
ABSENT: Final = -1
"""Place in the catalogue that stands for no item, at the end of shorter rows."""


class BestItems(nn.Module):
    """The best items after histories; an ``nn.Module``, since that is what is traced."""

    tokens: Tensor
    opening: Tensor

    def __init__(self, recommender: Recommender, k: int) -> None:
        """Keep the parts of a recommender, over the same weights.

        Args:
            recommender: Its model is in evaluation mode.
            k: Number of items.

        Raises:
            UnsupportedModelError: The model has no output head.
        """
        super().__init__()
        self.k, catalogue = k, recommender.catalogue
        self.register_buffer("tokens", torch.tensor(catalogue.tokens))
        self.register_buffer("opening", torch.tensor(catalogue.opening, dtype=torch.long))
        self.head = _LastStates(recommender.model, self.tokens)
        self.model = self.head.model

    def forward(self, histories: Tensor, left_out: Tensor) -> tuple[Tensor, Tensor]:
        """Return the best items, best first, and their scores.

        Args:
            histories: int64 ``(users, length)``: places in the catalogue, oldest first, −1 at the end of shorter ones.
            left_out: int64 ``(users, any)``: places of items not to recommend, −1 for none.

        Returns:
            int64 ``(users, k)``, places in the catalogue; and float32 ``(users, k)``, log-probabilities among all items, −inf
            where no item is left. Ties go to the item that comes first in the catalogue.
        """
        scores = self._logits(histories).float().log_softmax(-1)
        items = scores.shape[1]
        # one more column takes what stands for no item
        masked = F.pad(scores, (0, 1)).scatter(1, torch.where(left_out == ABSENT, items, left_out), -torch.inf)
        places = _best_places(masked[:, :items], self.k)
        return places, masked.gather(1, places)

    def _logits(self, histories: Tensor) -> Tensor:
        """Return logits ``(users, items)``."""
        present = histories != ABSENT
        tokens = torch.where(present, self.tokens[histories.clamp_min(0)], 0)
        if len(self.opening):
            opening = self.opening.expand(histories.shape[0], -1)
            tokens = torch.cat([opening, tokens], dim=1)
            present = torch.cat([torch.ones_like(opening, dtype=torch.bool), present], dim=1)
        mask = present.long()
        return self.head.logits(tokens, mask)


def _best_places(scores: Tensor, k: int) -> Tensor:
    """Return the places of the highest scores ``(users, items)``, the highest first; of equal ones the first, int64 ``(users, k)``.

    ``topk`` ensures that in ONNX and not in torch, and neither format has a stable sort that tracing could use.

    >>> _best_places(torch.tensor([[2.0, 1.0, 3.0, 2.0, 2.0]]), 3)
    tensor([[2, 0, 3]])
    """
    best, items = scores.topk(k), scores.shape[1]
    lowest = best.values[:, -1:]
    # of all items with the lowest score the first: as numbers that fall with the place
    backwards = items - torch.arange(items, device=scores.device)
    tied = items - torch.where(scores == lowest, backwards, 0).topk(k).values
    places, above = torch.arange(k, device=scores.device), (best.values > lowest).long().sum(1, keepdim=True)
    places = torch.where(places < above, best.indices, tied.gather(1, (places - above).clamp_min(0)))
    left, right = best.values[:, :, None], best.values[:, None, :]
    before = (left > right) | ((left == right) & (places[:, :, None] < places[:, None, :]))
    return torch.zeros_like(places).scatter(1, before.long().sum(1), places)


class _LastStates:
    """A model whose head computes the candidates' logits after the last token of each row, and no others."""

    def __init__(self, model: PreTrainedModel, candidates: Tensor) -> None:
        model = _traceable(model)
        head = model.get_output_embeddings()
        if not isinstance(head, nn.Module):
            raise UnsupportedModelError(f"{type(model).__name__} has no output head, so it cannot rank candidates")
        copies = copied_modules(model, [head])
        replace_forward(copies[head], self)
        self.model: PreTrainedModel = copies[model]
        self._rows, self._last = OutputRows(head, candidates), torch.empty(0)
        self._called = False

    def __call__(self, hidden: Tensor) -> Tensor:
        """Map hidden states ``(users, tokens, hidden)`` to logits ``(users, 1, candidates)``."""
        self._called = True
        return self._rows(hidden[torch.arange(hidden.shape[0]), self._last])[:, None]

    def logits(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return logits ``(users, candidates)``."""
        self._last = mask.sum(1) - 1
        logits: Tensor = self.model(**model_inputs(self.model, tokens, mask)).logits
        if not self._called:
            raise UnsupportedModelError(f"{type(self.model).__name__} does not call its output head")
        return logits[:, 0]


def _traceable(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy over the same weights whose experts are computed without a loop over those that were chosen."""
    traceable = frozen_copy(model)
    traceable.set_experts_implementation("batched_mm")
    return traceable
