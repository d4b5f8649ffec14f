"""``Recommender``: a small model and its items, loaded from a folder, ready to recommend."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, Final, get_args

import attrs
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Seen
from shortstack.errors import (
    ConfigurationError,
    DataError,
    EmptyDataError,
    NonFiniteError,
    RunFolderError,
    SourceNotFoundError,
    UnknownNameError,
)
from shortstack.models.candidates import last_logits
from shortstack.models.decoder import most_tokens
from shortstack.models.frozen import evaluation_copy
from shortstack.models.generation import settle_generation
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.older_readers import write_former_names
from shortstack.models.stored import stored_model, stored_tokenizer

FILE: Final = "recommender.json"
TOKENIZER: Final = "tokenizer_config.json"


@attrs.frozen(kw_only=True)
class Recommendation:
    """Recommended item.

    Attributes:
        id: The item's id in the source.
        title: The item's title; empty if unknown.
        score: Log-probability among all items of the catalogue, in nats.
    """

    id: str
    title: str
    score: float


@attrs.frozen(kw_only=True, eq=False)
class Recommender:
    """Recommender: a stock causal language model, its items, and the length of history that it reads.

    Thread-safe: no call changes state that another reads.

    Attributes:
        model: The language model, always run as in evaluation mode.
        catalogue: The items, each with its token in the model's vocabulary.
        window: Number of the most recent items of a history that the model was trained on and reads.
        tokenizer: Tokenizer of a language model that knows words beside items; None otherwise.
        seen: Default for items of the history: ``"include"`` them or ``"exclude"`` them, as the model was evaluated.
    """

    model: PreTrainedModel
    catalogue: Catalogue
    window: int
    tokenizer: PreTrainedTokenizerBase | None = None
    seen: Seen = "exclude"

    def __attrs_post_init__(self) -> None:
        config = self.model.config.get_text_config()
        _refuse_foreign_items(self.catalogue, config.vocab_size)
        if self.seen not in get_args(Seen):
            raise UnknownNameError("rule for seen items", self.seen, get_args(Seen))
        if self.window < 1:
            raise ConfigurationError(f"window must be at least 1, got {self.window}")
        longest, positions = self.catalogue.longest(self.window), most_tokens(self.model)
        if positions is not None and longest > positions:
            raise ConfigurationError(
                f"a window of {self.window} items may be {longest} tokens, but this model reads {positions}; choose a smaller one"
            )

    @cached_property
    def _tokens(self) -> Tensor:
        """int64 ``(items,)``, on the CPU."""
        return torch.tensor(self.catalogue.tokens)

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: str | torch.device | None = None) -> "Recommender":
        """Load a folder that ``save_pretrained`` wrote; runs no code from it and unpickles nothing.

        Args:
            folder: A local folder.
            device: Where to put the model; by default the CPU.

        Raises:
            SourceNotFoundError: The folder, its items or its ``recommender.json`` do not exist.
            DataError: ``recommender.json`` or ``items.jsonl`` is invalid, or weights are missing.
            ConfigurationError: The model's vocabulary does not hold the items.
        """
        folder = Path(folder)
        fields, catalogue = _read(folder), Catalogue.load(folder)
        model = stored_model(folder)
        tokenizer = stored_tokenizer(folder) if (folder / TOKENIZER).is_file() else None
        return cls(model=model.to(device or "cpu").eval(), catalogue=catalogue, tokenizer=tokenizer, **fields)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write model, items and window into a folder; ``recommender.json`` is written last and marks it complete.

        Raises:
            RunFolderError: The folder holds a recommender already, or is a file.
        """
        folder = Path(folder)
        if folder.is_file() or (folder / FILE).exists():
            raise RunFolderError(f"{folder} holds a recommender already; choose a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        settle_generation(self.model)
        write_former_names(self.model.config)
        with (
            silenced_transformers(),
            tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as unfinished,
        ):
            self.model.save_pretrained(unfinished)
            self.catalogue.save(Path(unfinished))
            if self.tokenizer is not None:
                self.tokenizer.save_pretrained(unfinished)
            for file in sorted(Path(unfinished).iterdir()):
                file.replace(folder / file.name)
            (Path(unfinished) / FILE).write_text(
                json.dumps({"schema": 1, "window": self.window, "seen": self.seen}) + "\n", encoding="utf-8"
            )
            # last: a folder without this file counts as incomplete
            (Path(unfinished) / FILE).replace(folder / FILE)

    def recommend(
        self, history: Sequence[str], k: int = 10, *, exclude_seen: bool | None = None
    ) -> list[Recommendation]:
        """Return the items most likely to come next.

        Args:
            history: Titles or ids, oldest first.
            k: Number of items; fewer are returned if fewer are left.
            exclude_seen: True to leave out items of the history; by default as ``seen`` says.

        Raises:
            UnknownNameError: One of the names is no item's; the message suggests similar titles.
            EmptyDataError: The history is empty.
        """
        return self.recommend_many([history], k, exclude_seen=exclude_seen)[0]

    def rate(self, history: Sequence[tuple[str, float]], item: str) -> dict[float, float]:
        """Return the probabilities of a user's ratings of an item, for a model made for the task ``rating``.

        Args:
            history: Titles or ids, each with the user's rating, oldest first; may be empty.
            item: Title or id of the item to rate.

        Returns:
            Rating → its probability, from the lowest rating to the highest.

        Raises:
            ConfigurationError: The model was made for another task, or a rating is not on its scale.
            UnknownNameError: One of the names is no item's.
            NonFiniteError: The model's logits are NaN or infinite.
        """
        scale = {option.value: option.token for option in self.catalogue.options}
        if not scale:
            raise ConfigurationError(
                "this model was not made to rate items; ask it to recommend, or train one for 'rating'"
            )
        for pair in history:
            if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[1], int | float)):
                raise ConfigurationError(f"a history is pairs of a title or id and a rating, a number, got {pair!r}")
            if pair[1] not in scale:
                raise ConfigurationError(
                    f"{pair[1]:g} is not on the scale {', '.join(f'{value:g}' for value in scale)}"
                )
        items = self.catalogue.items
        # the item to rate takes one place; a slice from -(window - 1) would keep everything for a window of 1
        recent = history[len(history) - (self.window - 1) :] if len(history) >= self.window else history
        tokens = [
            token for name, rating in recent for token in (*items[self.catalogue.find(name)].spelling, scale[rating])
        ]
        prompt = torch.tensor([*self.catalogue.opening, *tokens, *items[self.catalogue.find(item)].spelling])
        with torch.no_grad():
            options = torch.tensor([*scale.values()], device=self.model.device)
            logits = last_logits(evaluation_copy(self.model), [prompt], options)
        if not bool(logits.isfinite().all()):
            raise NonFiniteError("the model's logits are NaN or infinite; it cannot rate items")
        return dict(zip(scale, logits[0].double().softmax(-1).tolist(), strict=True))

    def recommend_many(
        self,
        histories: Sequence[Sequence[str]],
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        batch_size: int = 64,
    ) -> list[list[Recommendation]]:
        """Return what ``recommend`` does for many histories, ``batch_size`` at a time, in the same order.

        Raises:
            UnknownNameError: One of the names is no item's.
            EmptyDataError: A history is empty.
            ConfigurationError: ``k`` or ``batch_size`` is below 1.
            NonFiniteError: The model's logits are NaN or infinite.
        """
        if self.catalogue.options:
            raise ConfigurationError("this model rates items and does not rank them; use rate(history, item)")
        for name, value in (("k", k), ("batch_size", batch_size)):
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise ConfigurationError(f"{name} must be a whole number from 1, got {value!r}")
        seen = [self._found(history, number) for number, history in enumerate(histories)]
        scores = (
            row for start in range(0, len(seen), batch_size) for row in self._scores(seen[start : start + batch_size])
        )
        excluding = self.seen == "exclude" if exclude_seen is None else exclude_seen
        excluded = seen if excluding else [[]] * len(seen)
        return [list(self._best(row, k, left_out)) for row, left_out in zip(scores, excluded, strict=True)]

    def _found(self, history: Sequence[str], number: int) -> list[int]:
        if isinstance(history, str):
            raise ConfigurationError(f"a history is a list of titles or ids, got the text {history!r}")
        if not isinstance(history, Sequence):
            raise ConfigurationError(f"a history is a list of titles or ids, got {history!r}")
        if not history:
            raise EmptyDataError(f"history {number} is empty: give at least one item")
        return [self.catalogue.find(name) for name in history]

    def _scores(self, histories: Sequence[Sequence[int]]) -> Tensor:
        """Return log-probabilities over the catalogue, float32 ``(histories, items)``."""
        tokens, opening = self._tokens, torch.tensor(self.catalogue.opening, dtype=torch.long)
        recent = [torch.cat([opening, tokens[history[-self.window :]]]) for history in map(list, histories)]
        with torch.no_grad():
            logits = last_logits(evaluation_copy(self.model), recent, tokens.to(self.model.device)).float()
        if not all(
            bool(end.isfinite()) for end in logits.aminmax()
        ):  # NaN propagates to minimum and maximum; much faster than checking each
            raise NonFiniteError("the model's logits are NaN or infinite; it cannot rank items")
        return logits.log_softmax(-1).cpu()

    def _best(self, scores: Tensor, k: int, left_out: Sequence[int]) -> Iterator[Recommendation]:
        """Yield the highest scores; ties go to the item that comes first in the catalogue."""
        seen = set(left_out)
        # one more than needed, to see whether the last place is tied
        values, places = scores.topk(min(k + len(seen) + 1, len(scores)))
        if len(values) > 1 and values[-1] == values[-2]:  # topk may have cut a tie: take all equal scores
            places = (scores >= values[-1]).nonzero()[:, 0]
            values = scores[places]
        ranked = sorted(zip(places.tolist(), values.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
        unseen = (pair for pair in ranked if pair[0] not in seen)
        for _, (index, score) in zip(range(k), unseen, strict=False):
            item = self.catalogue.items[index]
            yield Recommendation(id=item.id, title=item.title, score=score)


def _refuse_foreign_items(catalogue: Catalogue, vocabulary: int) -> None:
    if not len(catalogue):
        raise EmptyDataError("the catalogue is empty: there is nothing to recommend")
    outside = [item for item in catalogue.items if not all(0 <= token < vocabulary for token in item.spelling)]
    if outside or catalogue.vocabulary > vocabulary:
        if not outside:
            raise ConfigurationError(
                f"the model's vocabulary of {vocabulary} tokens does not hold the ratings or the opening, which go to token "
                f"{catalogue.vocabulary - 1}; the model and options.json belong to different runs"
            )
        raise ConfigurationError(
            f"the model's vocabulary of {vocabulary} tokens does not hold the items: {outside[0].id!r} is token "
            f"{outside[0].token}; the model and items.jsonl belong to different runs"
        )


def _read(folder: Path) -> dict[str, Any]:
    """Return window and rule for seen items; folders of earlier versions lack the rule."""
    path = folder / FILE
    if not path.is_file():
        raise SourceNotFoundError(f"{path} is not there: {folder} is no recommender that shortstack saved")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        window, seen = fields["window"], fields.get("seen", "exclude")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f'{path} must say {{"window": N}}') from error
    if not isinstance(window, int) or isinstance(window, bool):
        raise DataError(f"{path} must say a whole number as window, got {window!r}")
    if seen not in get_args(Seen):
        raise DataError(f"{path} must say 'exclude' or 'include' as seen, got {seen!r}")
    return {"window": window, "seen": seen}


CompactStudentModel = Recommender
"""Former name."""
