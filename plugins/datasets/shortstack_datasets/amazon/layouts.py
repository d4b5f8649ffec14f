"""Recognition of Amazon's files: their names and fields differ by year."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from shortstack.errors import DataError
from shortstack_datasets.reading.columns import Column, ColumnKind, user
from shortstack_datasets.reading.kinds import unpacked_name
from shortstack_datasets.reading.sources import Files, first_line, first_lines

PARTS: Final = ("train", "valid", "test")
STARS: Final = (1.0, 5.0)
"""Range of a review's stars; some rows of 2023 hold 0.0, which is no rating."""


def _columns(who: str, item: str, rating: str, time: str, unit: ColumnKind) -> tuple[Column, ...]:
    return (
        user(who),
        Column(name=item, role="item", kind="id"),
        Column(name=rating, role="rating", kind="number", within=STARS),
        Column(name=time, role="timestamp", kind=unit),
    )


@attrs.frozen(kw_only=True)
class Layout:
    """The layout of a file of reviews.

    Attributes:
        edition: Year of the edition.
        columns: Its fields.
        names: Names of the columns of text without a header.
        text: Whether it is comma-separated text; otherwise each line is a JSON object.
        by_user: Whether a line holds all reviews of a user.
    """

    edition: str
    columns: tuple[Column, ...] = ()
    names: tuple[str, ...] = ()
    text: bool = False
    by_user: bool = False


_OLD: Final = _columns("reviewerID", "asin", "overall", "unixReviewTime", "s")
REVIEWS_2014: Final = Layout(edition="2014", columns=_OLD)
REVIEWS_2018: Final = Layout(edition="2018", columns=_OLD)
REVIEWS_2023: Final = Layout(edition="2023", columns=_columns("user_id", "parent_asin", "rating", "timestamp", "ms"))
RATINGS_2014: Final = Layout(
    edition="2014",
    columns=_columns("user", "item", "rating", "timestamp", "s"),
    names=("user", "item", "rating", "timestamp"),
    text=True,
)
RATINGS_2018: Final = attrs.evolve(RATINGS_2014, edition="2018", names=("item", "user", "rating", "timestamp"))
RATINGS_2023: Final = attrs.evolve(REVIEWS_2023, text=True)
BY_USER_2023: Final = Layout(edition="2023", by_user=True)


@attrs.frozen(kw_only=True)
class Category:
    """The reviews of one category, and the metadata of its products.

    Attributes:
        files: The files among which the reviews are.
        names: Its name; all the categories of a file that holds several.
        layout: The layout of its files.
        parts: File of reviews → part of the official split, or empty.
        metadata: The files among which the file of products is, and its name, if there is one.
        only: The categories to read from a file that holds several; empty for all.
    """

    files: Files
    names: tuple[str, ...]
    layout: Layout
    parts: Mapping[str, str]
    metadata: "tuple[Files, str] | None" = None
    only: tuple[str, ...] = ()

    @property
    def chosen(self) -> tuple[str, ...]:
        """The names of the categories to read."""
        return tuple(name for name in self.names if not self.only or name in self.only)

    @property
    def place(self) -> str:
        """The file of reviews, or the first of them."""
        return self.files.place(next(iter(self.parts)))


def categories_in(files: Files) -> Sequence[Category]:
    """Return the categories among files of one folder or archive.

    Of several files of one category, the official split is read if it is complete, or else the ratings of 2023, or else
    the 5-core, or else all reviews, or else the ratings alone.
    """
    best: dict[str, tuple[int, Category]] = {}
    for rank, category in _candidates(files):
        name = category.names[0]
        if name not in best or rank < best[name][0]:
            best[name] = (rank, category)
    return [category for _, category in (best[name] for name in sorted(best))]


def metadata_in(files: Files) -> Sequence[tuple[str, Files, str]]:
    """Return the category, the files and the name of each file of products among files of one folder or archive."""
    names = sorted(name for name in files.beside if name.startswith("meta_"))
    return [(_stem(name).removeprefix("meta_"), files, name) for name in names]


def _candidates(files: Files) -> Iterator[tuple[int, Category]]:
    """Yield each file of reviews as a category of its own, with its rank: the lowest is read."""
    metadata = {category: (place, name) for category, place, name in metadata_in(files)}
    splits: dict[str, dict[str, str]] = {}
    for name in sorted(files.names):
        plain = unpacked_name(name)
        if plain.startswith("meta_"):
            continue
        stem, *middle, ending = plain.split(".") if "." in plain else (plain, "")
        if ending == "csv" and len(middle) == 1 and middle[0] in PARTS and _is_2023(files, name):
            splits.setdefault(stem, {})[name] = middle[0]
        elif (known := _known(files, name, stem, ending)) is not None:
            rank, layout, names = known
            category_of_file = Category(
                files=files, names=names, layout=layout, parts={name: ""}, metadata=metadata.get(names[0])
            )
            yield rank, category_of_file
    for stem, parts in splits.items():
        ordered = dict(sorted(parts.items(), key=lambda pair: PARTS.index(pair[1])))
        rank = 0 if {*parts.values()} == {*PARTS} else _LAST_RESORT
        yield (
            rank,
            Category(files=files, names=(stem,), layout=RATINGS_2023, parts=ordered, metadata=metadata.get(stem)),
        )


_LAST_RESORT: Final = 5
"""Rank of an incomplete split, which is less than all reviews."""


def _known(files: Files, name: str, stem: str, ending: str) -> tuple[int, Layout, tuple[str, ...]] | None:
    """Return the rank of a file of reviews, its layout, and its categories; None if it is no such file."""
    if ending == "csv":
        return _known_text(files, name, stem)
    return _known_objects(files, name, stem) if ending in {"json", "jsonl"} else None


def _known_text(files: Files, name: str, stem: str) -> tuple[int, Layout, tuple[str, ...]] | None:
    if _is_2023(files, name):
        return 1, RATINGS_2023, (stem,)
    lines = first_lines(files, name)
    users_first = _users_first(lines, stem) if _is_ratings(lines) else None
    if users_first is None:
        return None
    return 4, RATINGS_2014 if users_first else RATINGS_2018, (stem.removeprefix("ratings_"),)


def _known_objects(files: Files, name: str, stem: str) -> tuple[int, Layout, tuple[str, ...]] | None:
    fields = _fields(first_lines(files, name))
    rank = 2 if stem.endswith("_5") else 3
    if {"user_id", "history"} <= fields:
        return 3, BY_USER_2023, _categories_by_user(files, name)
    if {"reviewerID", "asin"} <= fields:
        layout = REVIEWS_2014 if stem.startswith("reviews_") else REVIEWS_2018
        return rank, layout, (stem.removeprefix("reviews_").removesuffix("_5"),)
    return (rank, REVIEWS_2023, (stem,)) if {"user_id", "parent_asin", "rating"} <= fields else None


def _stem(name: str) -> str:
    return name.partition(".")[0]


def _is_2023(files: Files, name: str) -> bool:
    return {"user_id", "parent_asin"} <= {*first_line(files, name).split(",")}


def _is_ratings(lines: Sequence[str]) -> bool:
    """Return True if any of the first lines ends in a rating and a time; not the first alone, which may be damaged."""
    return any(re.search(r',"?[0-9.]+"?,"?[0-9]+(\.[0-9]*)?"?$', line) for line in lines)


def _users_first(lines: Sequence[str], stem: str) -> bool | None:
    """Return True if users come before items, as in 2014: by a header, else by Amazon's item ids, else by the file's name.

    None where none of them decides.
    """
    rows = [
        [field.strip('"') for field in fields] for fields in (line.split(",") for line in lines) if len(fields) == 4
    ]
    if rows and (heading := _HEADER.match(",".join(rows[0]))):
        return heading[1] is not None
    items = [sum(_is_asin(row[place]) for row in rows) for place in (0, 1)]
    if abs(items[0] - items[1]) > len(rows) / 2:
        return items[1] > items[0]
    return None if stem == "ratings" else stem.startswith("ratings_")


def _is_asin(text: str) -> bool:
    """Return True for an id of an Amazon product: ``B`` and nine characters, or an ISBN-10 with a valid check digit.

    Other numbers of ten digits may be users.

    >>> [_is_asin(text) for text in ("B00005N7Q1", "0306406152", "0306406153", "A3SGXH7AUHU8GW")]
    [True, True, False, False]
    """
    if re.fullmatch(r"[0-9]{9}[0-9X]", text):
        digits = [10 if letter == "X" else int(letter) for letter in text]
        return sum(place * digit for place, digit in zip(range(10, 0, -1), digits, strict=True)) % 11 == 0
    return re.fullmatch(r"B[0-9A-Z]{9}", text) is not None


_HEADER: Final = re.compile(
    "(?:(user|reviewer|customer)[^,]*,(?:item|product|asin)|(?:item|product|asin)[^,]*,(?:user|reviewer|customer))",
    re.IGNORECASE,
)
"""A header of users and products; the group matches if users come first."""
_FIELD: Final = re.compile(r'"(\w+)"\s*:')


def _fields(lines: Sequence[str]) -> set[str]:
    """Return the top-level fields of the objects in the first lines.

    Where no line is a complete object, return everything that looks like a field.
    """
    objects = [value for value in map(_parsed, lines) if isinstance(value, dict)]
    return {field for row in objects for field in row} or {field for line in lines for field in _FIELD.findall(line)}


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # cut off, or damaged
        return None


def _categories_by_user(files: Files, name: str) -> tuple[str, ...]:
    from shortstack_datasets.reading.bad_rows import BadRows
    from shortstack_datasets.reading.json_lines import json_objects
    from shortstack_datasets.reading.sources import opened

    with opened(files, name) as stream:
        objects = [row for _, row in json_objects(stream, BadRows(skip=True))]
    categories = {row["category"] for row in objects if isinstance(row.get("category"), str)}
    if not categories:
        raise DataError(f"{files.place(name)} names no category")
    return tuple(sorted(categories))
