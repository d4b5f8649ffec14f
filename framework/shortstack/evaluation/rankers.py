"""Rankers: objects that score the whole catalogue for a history."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.errors import ConfigurationError
from shortstack.models.candidates import last_logits
from shortstack.models.frozen import evaluation_copy
from shortstack.registry.isolation import errors_of_others

History = NDArray[np.int64]


@runtime_checkable
class Ranker(Protocol):
    """Scores every item of the catalogue; higher means more likely next."""

    @property
    def scores_are_logits(self) -> bool:
        """True if a softmax of the scores over the catalogue is a probability, so that a loss is defined."""

    def scores(self, histories: Sequence[History]) -> Tensor:
        """Score all items for each history.

        Args:
            histories: Dense item ids, oldest first, one array per case; any may be empty.

        Returns:
            float32, or float64 where ties would show, ``(cases, items)``, finite, on any device.
        """


def scores_of(ranker: Ranker, histories: Sequence[History], items: int) -> Tensor:
    """Return a ranker's scores, checked except for what is not finite; whole numbers and truth values are floats.

    Args:
        ranker: The ranker.
        histories: One array a case.
        items: Number of columns at least.

    Raises:
        ConfigurationError: It gave no dense tensor of real numbers, or one of another shape.
        PluginError: A ranker that is not ours fails.
    """
    name = type(ranker).__name__
    with errors_of_others(ranker, "ranker"):
        scores: object = ranker.scores(histories)
    if not isinstance(scores, Tensor) or scores.layout is not torch.strided or scores.is_complex():
        kind = f"a {scores.layout} tensor of {scores.dtype}" if isinstance(scores, Tensor) else type(scores).__name__
        raise ConfigurationError(
            f"{name} gave scores as {kind}; a ranker gives a dense tensor of real numbers: convert arrays with torch.from_numpy"
        )
    if scores.ndim != 2 or len(scores) != len(histories) or scores.shape[1] < items:
        raise ConfigurationError(
            f"{name} gave scores of shape {tuple(scores.shape)} for {len(histories)} cases with items up to {items - 1}; "
            "a ranker gives one row a case and one column an item"
        )
    # excluded candidates are marked by −inf, which integers cannot hold and truth values take for True
    return scores if scores.is_floating_point() else scores.double()


@attrs.frozen(kw_only=True, eq=False)
class ModelRanker:
    """A stock causal language model that predicts the token after the most recent items.

    A case without history has the same score for every item; the model is not run for it.

    Attributes:
        model: The model; it is run in evaluation mode, and its modules' own modes are not changed.
        candidates: int64 ``(items,)``: the token of each item.
        window: Number of most recent items in the model's input.
        opening: Tokens before every history.
        batch_size: Number of histories per forward pass.
        pad: The token to the right of shorter histories; it is masked.
    """

    model: PreTrainedModel
    candidates: Tensor
    window: int = attrs.field(default=50, validator=attrs.validators.ge(1))
    opening: tuple[int, ...] = ()
    batch_size: int = attrs.field(default=256, validator=attrs.validators.ge(1))
    pad: int = 0
    scores_are_logits: bool = attrs.field(default=True, init=False)

    @torch.no_grad()
    def scores(self, histories: Sequence[History]) -> Tensor:
        """Return the logits of all items, float32 ``(cases, items)``, on the model's device."""
        device = self.model.device
        candidates = self.candidates.to(device)
        lengths = np.array([min(len(history), self.window) for history in histories], dtype=np.int64)
        scores = torch.zeros(len(histories), len(candidates), dtype=torch.float32, device=device)
        # by length, so that a batch needs little padding; empty histories are left out, and keep the score 0
        shortest_first = np.argsort(lengths, kind="stable")[np.count_nonzero(lengths == 0) :]
        tokens, opening = self.candidates.cpu(), torch.tensor(self.opening, dtype=torch.long)
        model = evaluation_copy(self.model)
        for start in range(0, len(shortest_first), self.batch_size):
            batch = shortest_first[start : start + self.batch_size]
            recent = [torch.cat([opening, tokens[torch.from_numpy(histories[case][-self.window :])]]) for case in batch]
            logits = last_logits(model, recent, candidates, pad=self.pad)
            scores[torch.from_numpy(batch).to(device)] = logits.float()
        return scores
