"""The items: their names for people and their tokens for the model."""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from unicodedata import normalize

import attrs

from shortstack.data.near_names import near_names
from shortstack.errors import ConfigurationError, DataError, SourceNotFoundError, UnknownNameError

FILE = "items.jsonl"
OPTIONS = "options.json"


def _whole_numbers(tokens: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(token) for token in tokens)


@attrs.frozen(kw_only=True)
class Item:
    """One item of the catalogue.

    Attributes:
        id: Its name in the source.
        title: What a person would call it; empty where unknown. Titles may repeat.
        token: Its token in the model's vocabulary; of an item in words, the first of them.
        category: Its categories as the source writes them; empty where unknown.
        words: The tokens of its text, where a language model reads that; empty where it has a token of its own.
    """

    id: str = attrs.field(validator=attrs.validators.instance_of(str))
    title: str = attrs.field(validator=attrs.validators.instance_of(str))
    token: int = attrs.field(validator=attrs.validators.instance_of(int))
    category: str = attrs.field(default="", validator=attrs.validators.instance_of(str))
    words: tuple[int, ...] = attrs.field(default=(), converter=_whole_numbers)

    @property
    def spelling(self) -> tuple[int, ...]:
        """What stands for it in a history."""
        return self.words or (self.token,)


@attrs.frozen(kw_only=True)
class Option:
    """One rating that a model may give.

    Attributes:
        value: What it is worth.
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
    """All items; an item's dense id is its place here.

    Attributes:
        items: The items.
        options: The ratings that there are, from the lowest to the highest; only where a model is to rate items.
        opening: The tokens that every history starts with; only for a language model.
    """

    items: tuple[Item, ...] = attrs.field(converter=_tuple)
    options: tuple[Option, ...] = attrs.field(default=(), converter=_options)
    opening: tuple[int, ...] = attrs.field(default=(), converter=_whole_numbers)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def tokens(self) -> list[int]:
        """The token of each item: the candidates of a task over the whole catalogue."""
        return [item.token for item in self.items]

    @property
    def in_words(self) -> bool:
        """Whether a language model reads the items' texts; else each has a token of its own."""
        return any(item.words for item in self.items)

    @property
    def vocabulary(self) -> int:
        """How many tokens a model needs to know all of this, padding included."""
        spelt = [token for item in self.items for token in item.spelling]
        return 1 + max([*spelt, *self.opening, *(option.token for option in self.options)])

    def longest(self, window: int) -> int:
        """How many tokens a history of so many items has at most, with their ratings but for the last one's."""
        longest_item = max(len(item.spelling) for item in self.items)
        return len(self.opening) + window * longest_item + (window - 1 if self.options else 0)

    def find(self, name: str) -> int:
        """The dense id of the item with this source id, or else this title (the first, if titles repeat).

        Raises:
            UnknownNameError: No item goes by that name; says which title is nearest.
            ConfigurationError: It is no text.
        """
        if not isinstance(name, str):
            raise ConfigurationError(f"an item is named by its title or id, a text, got {name!r}")
        found = self._places.get(name, self._places.get(normalize("NFC", name)))  # macOS writes titles in NFD
        if found is None:
            names = [text for item in self.items for text in (item.title, item.id) if text]
            raise UnknownNameError("item", name, near_names(name, names) or names[:3])
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each name leads; threads that look for it at once build equal ones."""
        titles = {item.title: index for index, item in reversed([*enumerate(self.items)])}
        places = titles | {item.id: index for index, item in reversed([*enumerate(self.items)])}
        places.pop("", None)
        return places

    def save(self, folder: Path) -> None:
        """Write ``items.jsonl`` into a folder, one item a line, and ``options.json`` if there are options or an opening."""
        lines = (json.dumps(_written(item), ensure_ascii=False) for item in self.items)
        (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        if self.options or self.opening:
            told = {"opening": self.opening, "options": [attrs.asdict(option) for option in self.options]}
            (folder / OPTIONS).write_text(json.dumps(told) + "\n", encoding="utf-8")

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
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text: {error}") from error
        items = _parse(path, text.removesuffix("\n").split("\n"))  # titles may hold other line ends
        return cls(items=items, **_parse_options(folder / OPTIONS))


def _written(item: Item) -> dict[str, object]:
    """Its fields; words only where there are any."""
    fields = attrs.asdict(item)
    return fields if item.words else {name: value for name, value in fields.items() if name != "words"}


def _parse(path: Path, lines: Iterable[str]) -> tuple[Item, ...]:
    items = []
    for number, line in enumerate(lines, start=1):
        try:
            items.append(Item(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}:{number}: not an item (id, title, token): {line[:80]!r}") from error
    return tuple(items)


def _parse_options(path: Path) -> dict[str, Any]:
    """The options and the opening; nothing where there is no such file."""
    if not path.is_file():
        return {}
    try:
        told = json.loads(path.read_bytes())
        options = [Option(value=float(one["value"]), token=int(one["token"])) for one in told["options"]]
        return {"options": options, "opening": _whole_numbers(told["opening"])}
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} must hold an opening (tokens) and a list of options (value, token)") from error
