"""The item catalogue: ids, titles and the model's tokens."""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from unicodedata import normalize

import attrs

from shortstack.boundaries import json_object, read_as
from shortstack.data.near_names import NameIndex
from shortstack.errors import ConfigurationError, DataError, EmptyDataError, SourceNotFoundError, UnknownNameError

FILE = "items.jsonl"
OPTIONS = "options.json"


def _whole_numbers(tokens: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(token) for token in tokens)


@attrs.frozen(kw_only=True)
class Item:
    """One item of the catalogue.

    Attributes:
        id: Id in the source.
        title: Title for people; empty if unknown. Titles may repeat.
        token: Token in the model's vocabulary; of an item in words, the first token.
        category: Categories as in the source; empty if unknown.
        words: Tokens of its text, for a language model that reads it; empty if the item has a token of its own.
    """

    id: str = attrs.field(validator=attrs.validators.instance_of(str))
    title: str = attrs.field(validator=attrs.validators.instance_of(str))
    token: int = attrs.field(validator=attrs.validators.instance_of(int))
    category: str = attrs.field(default="", validator=attrs.validators.instance_of(str))
    words: tuple[int, ...] = attrs.field(default=(), converter=_whole_numbers)

    @property
    def spelling(self) -> tuple[int, ...]:
        """Tokens of the item in a history.

        >>> Item(id="1", title="Heat", token=5).spelling, Item(id="2", title="Big", token=8, words=(8, 9)).spelling
        ((5,), (8, 9))
        """
        return self.words or (self.token,)


@attrs.frozen(kw_only=True)
class Option:
    """One rating that a model can predict.

    Attributes:
        value: Value of the rating.
        token: Its token in the model's vocabulary.
    """

    value: float
    token: int


def _tuple(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(items)


def _options(options: Iterable[Option]) -> tuple[Option, ...]:
    return tuple(options)


@attrs.frozen(kw_only=True)
class Catalogue:
    """All items; an item's dense id is its index here.

    Attributes:
        items: The items.
        options: All possible ratings, ascending; only for models that rate items.
        opening: Tokens at the start of every history; only for a language model.
    """

    items: tuple[Item, ...] = attrs.field(converter=_tuple)
    options: tuple[Option, ...] = attrs.field(default=(), converter=_options)
    opening: tuple[int, ...] = attrs.field(default=(), converter=_whole_numbers)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def tokens(self) -> list[int]:
        """Token of each item: the candidates of a task over the whole catalogue."""
        return [item.token for item in self.items]

    @property
    def in_words(self) -> bool:
        """True if a language model reads the items' texts; else each item has a token of its own."""
        return any(item.words for item in self.items)

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary that holds all these tokens and padding."""
        spelt = [token for item in self.items for token in item.spelling]
        return 1 + max([*spelt, *self.opening, *(option.token for option in self.options)])

    def longest(self, window: int) -> int:
        """Return the largest number of tokens of a history of ``window`` items, with all ratings but the last."""
        longest_item = max(len(item.spelling) for item in self.items)
        return len(self.opening) + window * longest_item + (window - 1 if self.options else 0)

    def require_ranking(self) -> None:
        """Raise if a model with this catalogue rates items and does not rank them.

        Raises:
            ConfigurationError: It rates.
        """
        if self.options:
            raise ConfigurationError("this model rates items and does not rank them; use rate(history, item)")

    def require_within(self, vocabulary: int) -> None:
        """Raise if a model whose vocabulary has this many tokens lacks one of these; or if there are no items.

        Raises:
            EmptyDataError: There are no items.
            ConfigurationError: A token is outside the vocabulary.
        """
        if not len(self):
            raise EmptyDataError("the catalogue is empty: there is nothing to recommend")
        outside = [item for item in self.items if not all(0 <= token < vocabulary for token in item.spelling)]
        if outside:
            raise ConfigurationError(
                f"the model's vocabulary of {vocabulary} tokens does not hold the items: {outside[0].id!r} is token "
                f"{outside[0].token}; the model and items.jsonl belong to different runs"
            )
        others = [*self.opening, *(option.token for option in self.options)]
        if not all(0 <= token < vocabulary for token in others):
            raise ConfigurationError(
                f"the model's vocabulary of {vocabulary} tokens does not hold the ratings or the opening, such as token "
                f"{min(others) if min(others) < 0 else max(others)}; the model and options.json belong to different runs"
            )

    def find(self, name: str) -> int:
        """Return the dense id of the item with this source id, or else this title (the first, if titles repeat).

        Raises:
            UnknownNameError: No item has that name; suggests the nearest title.
            ConfigurationError: The name is not a text.
        """
        if not isinstance(name, str):
            raise ConfigurationError(f"an item is named by its title or id, a text, got {name!r}")
        index = self.place(name)
        if index is None:
            raise UnknownNameError("item", name, self.near(name) or self._names.names[:3])
        return index

    def near(self, name: str) -> list[str]:
        """Return up to three titles and ids that are similar to a name, the most similar first."""
        return self._names.near(name)

    @cached_property
    def _names(self) -> NameIndex:
        return NameIndex(names=(text for item in self.items for text in (item.title, item.id) if text))

    def place(self, name: str) -> int | None:
        """Return the dense id of the item with this source id, or else this title; None if there is none."""
        return self._places.get(name, self._places.get(normalize("NFC", name)))  # macOS writes titles in NFD

    @cached_property
    def _places(self) -> dict[str, int]:
        """Dense id by title and source id; threads that compute it at the same time build equal ones."""
        # reversed, so that the first of repeated titles wins
        titles = {item.title: index for index, item in reversed([*enumerate(self.items)])}
        places = titles | {item.id: index for index, item in reversed([*enumerate(self.items)])}
        places.pop("", None)  # the empty title of items without one names none of them
        return places

    def save(self, folder: Path) -> None:
        """Write ``items.jsonl`` to a folder, an item per line, and ``options.json`` with any options and opening."""
        lines = (json.dumps(_written(item), ensure_ascii=False) for item in self.items)
        (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        if self.options or self.opening:
            contents = {"opening": self.opening, "options": [attrs.asdict(option) for option in self.options]}
            (folder / OPTIONS).write_text(json.dumps(contents) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Catalogue":
        """Read what ``save`` wrote.

        Raises:
            SourceNotFoundError: The folder has no such file.
            DataError: A line is not an item.
        """
        path = folder / FILE
        if not path.is_file():
            raise SourceNotFoundError(f"{path} is not there: a recommender keeps its items beside its weights")
        with read_as(path, "is not UTF-8 text"):
            text = path.read_text(encoding="utf-8")
        items = _parse(path, text.removesuffix("\n").split("\n"))  # titles may hold other line ends
        return cls(items=items, **_parse_options(folder / OPTIONS))


def _written(item: Item) -> dict[str, object]:
    """Return the fields of an item, without ``words`` if it has none."""
    fields = attrs.asdict(item)
    return fields if item.words else {name: value for name, value in fields.items() if name != "words"}


def _parse(path: Path, lines: Iterable[str]) -> tuple[Item, ...]:
    items = []
    for number, line in enumerate(lines, start=1):
        try:
            items.append(Item(**json.loads(line)))
        except Exception as error:  # of many kinds: of the JSON, of its fields, of their values
            raise DataError(f"{path}:{number}: not an item (id, title, token): {line[:80]!r}") from error
    return tuple(items)


def _parse_options(path: Path) -> dict[str, Any]:
    """Read the options and the opening; empty if there is no such file."""
    if not path.is_file():
        return {}
    wrong = "must hold an opening (tokens) and a list of options (value, token)"
    contents = json_object(path, wrong)
    with read_as(path, wrong):
        options = [Option(value=float(option["value"]), token=int(option["token"])) for option in contents["options"]]
        return {"options": options, "opening": _whole_numbers(contents["opening"])}
