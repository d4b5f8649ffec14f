"""``Recommender``: a small model and its items, loaded from a folder, ready to recommend."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import attrs
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from shortstack.boundaries import read_as, refuse_text
from shortstack.data.catalogue import Catalogue
from shortstack.data.history_check import HistoryCheck
from shortstack.data.questions import (
    FoundQuestion,
    Question,
    Recommendation,
    answers_frame,
    on_scale,
    require_choice,
    require_count,
)
from shortstack.data.sequences import Seen
from shortstack.data.user_histories import USER, UserHistory, histories_of
from shortstack.errors import (
    ConfigurationError,
    EmptyDataError,
    NonFiniteError,
    UnknownNameError,
)
from shortstack.frames import frame_of
from shortstack.models.candidates import last_logits
from shortstack.models.decoder import most_tokens
from shortstack.models.frozen import evaluation_copy
from shortstack.models.top_scores import rows_at_once, top_scores
from shortstack.recommender_folder import read_folder, write_folder

if TYPE_CHECKING:
    import polars as pl


@attrs.frozen(kw_only=True, eq=False)
class Recommender:
    """Recommender: a stock causal language model, its items, and the length of history that it reads.

    Thread-safe: no call changes state that another reads.

    Attributes:
        model: The language model, always run as in evaluation mode.
        catalogue: The items, each with its token in the model's vocabulary.
        window: Number of the most recent items of a history that the model was trained on and reads.
        tokenizer: Tokenizer of a language model that knows words beside items; None otherwise.
        seen: Default for items of the history: ``"include"`` them or ``"exclude"`` them, as the model was evaluated; of the task
            ``click``, whose evaluation ranks whatever was shown, ``"exclude"`` them unless ``evaluation.seen`` says otherwise.
    """

    model: PreTrainedModel
    catalogue: Catalogue
    window: int
    tokenizer: PreTrainedTokenizerBase | None = None
    seen: Seen = "exclude"

    def __attrs_post_init__(self) -> None:
        config = self.model.config.get_text_config()
        self.catalogue.require_within(config.vocab_size)
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

        What is loaded depends on no file: the folder may change or go.

        Args:
            folder: A local folder.
            device: Where to put the model; by default the CPU.

        Raises:
            SourceNotFoundError: The folder, its items or its ``recommender.json`` do not exist.
            DataError: ``recommender.json`` or ``items.jsonl`` is invalid, weights are missing, or a run made the folder and
                a file is not as it was written.
            ConfigurationError: The model's vocabulary does not hold the items.
        """
        folder = Path(folder)
        model, others = read_folder(folder)
        with read_as(folder, "holds parts that do not fit together"):
            return cls(model=model.to(device or "cpu").eval(), **others)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write model, items and window into a folder; ``recommender.json`` is written last and marks it complete.

        Raises:
            RunFolderError: The folder holds a recommender already, or is a file.
        """
        write_folder(Path(folder), self.model, self.catalogue, self.tokenizer, window=self.window, seen=self.seen)

    @cached_property
    def _places_by_category(self) -> dict[str, list[int]]:
        """Dense ids of the items of each category, ascending."""
        places: dict[str, list[int]] = {}
        for place, item in enumerate(self.catalogue.items):
            for category in {item.category, *item.category.split("|")} - {""}:
                places.setdefault(category, []).append(place)
        return places

    def recommend(
        self,
        history: Sequence[str],
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        candidates: Sequence[str] | None = None,
        categories: Sequence[str] = (),
    ) -> list[Recommendation]:
        """Return the items most likely to come next.

        Args:
            history: Titles or ids, oldest first.
            k: Number of items; fewer are returned if fewer are left.
            exclude_seen: True to leave out items of the history; by default as ``seen`` says.
            candidates: Titles or ids of the only items to rank; by default all. Scores stay those among all items.
            categories: Only items of one of these; by default of any.

        Raises:
            UnknownNameError: One of the names is no item's; the message suggests similar titles. Or no item has a category.
            EmptyDataError: The history is empty.
        """
        return self.recommend_many(
            [history], k, exclude_seen=exclude_seen, candidates=candidates, categories=categories
        )[0]

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
        items = self.catalogue.items
        # all are looked up, since a wrong name is one even before the window
        rated = [(items[self.catalogue.find(name)], rating) for name, rating in on_scale(history, scale)]
        # the item to rate takes one place; a slice from -(window - 1) would keep everything for a window of 1
        recent = rated[max(0, len(rated) - (self.window - 1)) :]
        tokens = [token for rated_item, rating in recent for token in (*rated_item.spelling, scale[rating])]
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
        candidates: Sequence[str] | None = None,
        categories: Sequence[str] = (),
        batch_size: int = 64,
    ) -> list[list[Recommendation]]:
        """Return what ``recommend`` does for many histories, ``batch_size`` at a time, in the same order.

        Raises:
            UnknownNameError: One of the names is no item's.
            EmptyDataError: A history is empty.
            ConfigurationError: ``histories`` is no list of lists, or ``k`` or ``batch_size`` is below 1.
            NonFiniteError: The model's logits are NaN or infinite.
        """
        require_count("k", k)  # of no histories, too
        if isinstance(histories, str | Mapping) or not isinstance(histories, Iterable):
            raise ConfigurationError(
                f"histories is a list of histories, each a list of titles or ids, got {histories!r:.80}"
            )
        questions = [
            Question(history=history, k=k, exclude_seen=exclude_seen, candidates=candidates, categories=categories)
            for history in histories
        ]
        return self.answers([self.found(one, number) for number, one in enumerate(questions)], batch_size=batch_size)

    def found(self, question: Question, number: int = 0) -> FoundQuestion:
        """Return a question with its names found, for ``answers``.

        Args:
            question: The question.
            number: Its place among others, for messages.

        Raises:
            UnknownNameError: One of the names is no item's, or no item has a category.
            EmptyDataError: The history is empty.
            ConfigurationError: The model rates, ``k`` is below 1, ``exclude_seen`` is neither True nor False, or a text is
                given for a list.
        """
        self.catalogue.require_ranking()
        require_count("k", question.k)
        history = self._found(question.history, number)
        require_choice("exclude_seen", question.exclude_seen)
        excluding = self._excludes(question.exclude_seen)
        return FoundQuestion(
            history=history, k=question.k, left_out=history if excluding else (), ranked=self._ranked(question)
        )

    def answers(self, questions: Sequence[FoundQuestion], *, batch_size: int = 64) -> list[list[Recommendation]]:
        """Return the recommendations of each question, in the same order.

        They are computed ``batch_size`` at a time, and fewer where the catalogue is so large that their scores would fill
        the memory.

        Raises:
            ConfigurationError: The model rates, or ``batch_size`` is below 1.
            NonFiniteError: The model's logits are NaN or infinite.
        """
        self.catalogue.require_ranking()
        require_count("batch_size", batch_size)
        rows = rows_at_once(len(self.catalogue), batch_size)
        return [
            list(self._best(row, question))
            for start in range(0, len(questions), rows)
            for row, question in self._scored(questions[start : start + rows])
        ]

    def recommend_frame(
        self,
        users: Any,
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        skip_unknown: bool = False,
        titles: bool = False,
        batch_size: int = 64,
    ) -> "pl.DataFrame":
        """Return what ``recommend_many`` does for the users of a table.

        Args:
            users: A table of polars, pandas, Arrow or ``datasets``: ``user``, ``items`` (a list of titles or ids, oldest first),
                and, where users differ, ``exclude_seen``.
            k: Number of items.
            exclude_seen: True to leave out items of the history; by default as ``seen`` says. The column goes before it.
            skip_unknown: True to leave unknown items out; users who have none, or none left, get an empty list.
            titles: True to return titles, too.
            batch_size: Users at a time.

        Returns:
            A row for each user, in the same order: ``user``, ``items`` (ids, the best first), ``scores``, ``titles``.

        Raises:
            ConfigurationError: ``users`` is no table, or a number is below 1.
            DataError: A column is missing, a value is wrong, or items are unknown; the message counts them.
            NonFiniteError: The model's logits are NaN or infinite.
        """
        require_count("k", k)
        require_choice("exclude_seen", exclude_seen)
        frame = frame_of(users)
        histories = list(histories_of(frame))
        check = HistoryCheck(catalogue=self.catalogue)
        places = [check.places(history) for history in histories]
        if not skip_unknown:
            check.require_known("the table", "skip_unknown=True")
        answers = self.user_answers(histories, places, k, exclude_seen=exclude_seen, batch_size=batch_size)
        return answers_frame(frame[USER], answers, titles=titles)

    def user_answers(
        self,
        histories: Sequence[UserHistory],
        places: Sequence[Sequence[int]],
        k: int,
        *,
        exclude_seen: bool | None = None,
        batch_size: int = 64,
    ) -> list[list[Recommendation]]:
        """Return the recommendations of users, given the dense ids of their known items; none for users without."""
        questions = [
            FoundQuestion(
                history=known,
                k=k,
                left_out=known if self._excludes(history.exclude_seen, exclude_seen) else (),
                ranked=None,
            )
            for history, known in zip(histories, places, strict=True)
            if known
        ]
        answers = iter(self.answers(questions, batch_size=batch_size))
        return [next(answers) if known else [] for known in places]

    def _excludes(self, *choices: bool | None) -> bool:
        """Return the first choice that is made, or else that of the recommender."""
        return next((choice for choice in choices if choice is not None), self.seen == "exclude")

    def _scored(self, questions: Sequence[FoundQuestion]) -> Iterator[tuple[Tensor, FoundQuestion]]:
        return zip(self._scores([question.history for question in questions]), questions, strict=True)

    def _ranked(self, question: Question) -> Tensor | None:
        """Return dense ids of the items to rank, ascending; None for all."""
        if question.candidates is None and not question.categories:
            return None
        for name, given in (("candidates", question.candidates), ("categories", question.categories)):
            refuse_text(name, given)
        wanted = None if question.candidates is None else {self.catalogue.find(name) for name in question.candidates}
        if question.categories:
            of_them = {place for name in {*question.categories} for place in self._of_category(name)}
            wanted = of_them if wanted is None else wanted & of_them
        return torch.tensor(sorted(wanted or ()), dtype=torch.long)

    def _of_category(self, name: str) -> list[int]:
        if name not in self._places_by_category:
            raise UnknownNameError("category", name, self._places_by_category)
        return self._places_by_category[name]

    def _found(self, history: Sequence[str], number: int) -> list[int]:
        refuse_text("history", history)
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

    def _best(self, scores: Tensor, question: FoundQuestion) -> Iterator[Recommendation]:
        """Yield the highest scores; ties go to the item that comes first in the catalogue."""
        seen = set(question.left_out)
        offered = scores if question.ranked is None else scores[question.ranked]
        values, places = top_scores(offered, question.k + len(seen))
        indices = places if question.ranked is None else question.ranked[places]
        ranked = zip(indices.tolist(), values.tolist(), strict=True)
        unseen = (pair for pair in ranked if pair[0] not in seen)
        for _, (index, score) in zip(range(question.k), unseen, strict=False):
            item = self.catalogue.items[index]
            yield Recommendation(id=item.id, title=item.title, score=score)


CompactStudentModel = Recommender
"""Former name."""
