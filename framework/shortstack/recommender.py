"""``Recommender``: a small model and its items, loaded from a folder, ready to recommend."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import attrs
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from shortstack.boundaries import json_object, read_as, refuse_text
from shortstack.data.catalogue import Catalogue
from shortstack.data.history_check import HistoryCheck
from shortstack.data.questions import FoundQuestion, Question, Recommendation, answers_frame
from shortstack.data.sequences import Seen
from shortstack.data.user_histories import USER, UserHistory, histories_of
from shortstack.digests import require_whole
from shortstack.errors import (
    ConfigurationError,
    DataError,
    EmptyDataError,
    NonFiniteError,
    RunFolderError,
    SourceNotFoundError,
    UnknownNameError,
)
from shortstack.files import write_through
from shortstack.frames import frame_of
from shortstack.models.candidates import last_logits
from shortstack.models.decoder import most_tokens
from shortstack.models.frozen import evaluation_copy
from shortstack.models.generation import settle_generation
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.older_readers import write_former_names, write_former_tokenizer
from shortstack.models.saving import save_model
from shortstack.models.stored import stored_model, stored_tokenizer
from shortstack.models.top_scores import rows_at_once, top_scores

if TYPE_CHECKING:
    import polars as pl

FILE: Final = "recommender.json"
TOKENIZER: Final = "tokenizer_config.json"


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
        require_whole(folder)
        fields, catalogue = _read(folder), Catalogue.load(folder)
        model = _apart_from_files(stored_model(folder))
        tokenizer = stored_tokenizer(folder) if (folder / TOKENIZER).is_file() else None
        with read_as(folder, "holds parts that do not fit together"):
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
            save_model(self.model, unfinished)
            self.catalogue.save(Path(unfinished))
            if self.tokenizer is not None:
                self.tokenizer.save_pretrained(unfinished)
                write_former_tokenizer(Path(unfinished))
            for file in sorted(Path(unfinished).iterdir()):
                write_through(file)
                file.replace(folder / file.name)
            (Path(unfinished) / FILE).write_text(
                json.dumps({"schema": 1, "window": self.window, "seen": self.seen}) + "\n", encoding="utf-8"
            )
            write_through(Path(unfinished) / FILE)
            # last: a folder without this file counts as incomplete
            (Path(unfinished) / FILE).replace(folder / FILE)
            write_through(folder)

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
        rated = [(items[self.catalogue.find(name)], rating) for name, rating in _on_scale(history, scale)]
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
        _require_count("k", k)  # of no histories, too
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
        _require_count("k", question.k)
        history = self._found(question.history, number)
        _require_choice("exclude_seen", question.exclude_seen)
        excluding = self.seen == "exclude" if question.exclude_seen is None else question.exclude_seen
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
        _require_count("batch_size", batch_size)
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
        _require_count("k", k)
        _require_choice("exclude_seen", exclude_seen)
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
                history=known, k=k, left_out=known if self._excludes(history, exclude_seen) else (), ranked=None
            )
            for history, known in zip(histories, places, strict=True)
            if known
        ]
        answers = iter(self.answers(questions, batch_size=batch_size))
        return [next(answers) if known else [] for known in places]

    def _excludes(self, history: UserHistory, exclude_seen: bool | None) -> bool:
        asked = exclude_seen if history.exclude_seen is None else history.exclude_seen
        return self.seen == "exclude" if asked is None else asked

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


def _require_count(name: str, value: object) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{name} must be a whole number from 1, got {value!r}")


def _require_choice(name: str, value: object) -> None:
    # of NumPy's truth values too, which are no bool
    if value is not None and value not in (True, False):
        raise ConfigurationError(f"{name} must be True, False or None, got {value!r}")


def _on_scale(history: Sequence[tuple[str, float]], scale: Mapping[float, int]) -> Iterator[tuple[str, float]]:
    """Yield the pairs of a history that a model rates by.

    Raises:
        ConfigurationError: One is no pair of a name and a rating, or its rating is not on the scale.
    """
    if not isinstance(history, Iterable):
        raise ConfigurationError(f"a history is pairs of a title or id and a rating, a number, got {history!r}")
    for pair in history:
        is_pair = isinstance(pair, tuple | list) and len(pair) == 2
        if not is_pair or not isinstance(pair[1], Real) or isinstance(pair[1], bool):
            raise ConfigurationError(f"a history is pairs of a title or id and a rating, a number, got {pair!r}")
        if pair[1] not in scale:
            raise ConfigurationError(f"{pair[1]:g} is not on the scale {', '.join(f'{value:g}' for value in scale)}")
        yield pair[0], pair[1]


def _apart_from_files(model: PreTrainedModel) -> PreTrainedModel:
    """Copy weights that are mapped from a file.

    Who writes into the file would change answers or end the process; and where a weight begins in it changes the last
    bits of products.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()
    return model


def _refuse_foreign_items(catalogue: Catalogue, vocabulary: int) -> None:
    if not len(catalogue):
        raise EmptyDataError("the catalogue is empty: there is nothing to recommend")
    outside = [item for item in catalogue.items if not all(0 <= token < vocabulary for token in item.spelling)]
    others = [*catalogue.opening, *(option.token for option in catalogue.options)]
    if outside or not all(0 <= token < vocabulary for token in others):
        if not outside:
            raise ConfigurationError(
                f"the model's vocabulary of {vocabulary} tokens does not hold the ratings or the opening, such as token "
                f"{min(others) if min(others) < 0 else max(others)}; the model and options.json belong to different runs"
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
    fields = json_object(path, 'must say {"window": N}')
    window, seen = fields.get("window"), fields.get("seen", "exclude")
    if not isinstance(window, int) or isinstance(window, bool):
        raise DataError(f"{path} must say a whole number as window, got {window!r}")
    if seen not in get_args(Seen):
        raise DataError(f"{path} must say 'exclude' or 'include' as seen, got {seen!r}")
    return {"window": window, "seen": seen}


CompactStudentModel = Recommender
"""Former name."""
