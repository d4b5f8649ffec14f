"""Recipes for small interaction tables, made of plain numbers."""

import random
from collections.abc import Sequence
from typing import Final

import attrs
from hypothesis import strategies as st

from shortstack.contracts import Interaction, Sample

_DAY: Final = 86_400_000
_TITLES: Final = (
    "Misérables, Les (1995)",
    '"Great Performances" Cats (1998)',
    "1984",
    "Alien: Part 3",
    "NA",
    "What the #$*! Do We Know!? (2004)",
    "L'Avventura",
    "1984",
    "Tom & Jerry; or, Back",
    f"How I Learned to {'Stop Worrying and ' * 12}Love the Bomb",
    "Q&amp;A &lt;3 &#39;97",
    "50% 100%25",
)
_CATEGORIES: Final = ("Drama", "Musical", "Sci-Fi", "Comedy", "Film-Noir", "Action|Crime")


def user_number(user: int) -> str:
    """Return the id of the user of this number: a long number that nothing else in a file is likely to hold.

    >>> user_number(1)
    '2147007919'
    """
    return str(2_147_000_000 + 7_919 * user)


@attrs.frozen(kw_only=True)
class InteractionTable:
    """Recipe for a sample that a dataset adapter can write.

    Attributes:
        rows: User, item, rating from 1 to 5, and day; all but the rating count from 0.
        names: Ids of the first items where ids may be any text; the other ids are numbers.
        untitled: Items with neither a title nor a category; the lowest item in the rows always has both.
        texts: Index of the first item's title and category in lists of odd ones.

    >>> InteractionTable(rows=((0, 1, 5, 0),)).sample().rows
    (Interaction(user='2147000000', item='38', rating=5.0, timestamp=777600000000),)
    """

    rows: tuple[tuple[int, int, int, int], ...]
    names: tuple[str, ...] = ()
    untitled: tuple[int, ...] = ()
    texts: int = 0

    def sample(self, *, text_ids: bool = False) -> Sample:
        """Return the sample; besides the items of its rows it has the title of one that is in no row.

        Args:
            text_ids: True to use ``names``.
        """
        names = self.names if text_ids else ()
        rated = {item for _, item, _, _ in self.rows}
        described = (rated - {*self.untitled}) | {min(rated, default=0)}
        # odd items first: an order that an adapter cannot restore by sorting
        order = sorted(described, key=lambda item: (-(item % 2), item))
        titled = [max(rated, default=0) + 1, *order]
        return Sample(
            rows=[
                Interaction(
                    user=_user(names, user),
                    item=_item(names, item),
                    rating=float(rating),
                    timestamp=(9_000 + 997 * day) * _DAY,  # seconds of nine digits and of ten
                )
                for user, item, rating, day in self.rows
            ],
            titles={_item(names, item): _TITLES[(self.texts + item) % len(_TITLES)] for item in titled},
            categories={_item(names, item): _CATEGORIES[(self.texts + item) % len(_CATEGORIES)] for item in titled},
        )

    def shuffled(self, seed: int) -> "InteractionTable":
        """Return the same rows in another order."""
        return attrs.evolve(self, rows=tuple(random.Random(seed).sample(self.rows, len(self.rows))))  # noqa: S311

    @property
    def is_disordered(self) -> bool:
        """True if no column of the rows rises or falls, neither as numbers nor as text, and a user's items and days do not.

        >>> InteractionTable(rows=((0, 1, 5, 0), (1, 0, 2, 3))).is_disordered
        False
        """
        tables = [self.rows, *([row for row in self.rows if row[0] == user] for user in {row[0] for row in self.rows})]
        whole, *of_users = [list(zip(*rows, strict=True)) for rows in tables]
        columns = [*whole, *(column for user in of_users for column in (user[1], user[3]))]
        # ids as text: the item 112 comes before 38
        columns += [tuple(_item((), item) for item in table[1]) for table in (whole, *of_users)]
        return not any(list(column) in (sorted(column), sorted(column, reverse=True)) for column in columns)

    def without_repeats(self) -> "InteractionTable":
        """Return the first row of each pair of user and item."""
        first: dict[tuple[int, int], tuple[int, int, int, int]] = {}
        for row in self.rows:
            first.setdefault(row[:2], row)
        return attrs.evolve(self, rows=tuple(first.values()))


def _item(names: tuple[str, ...], item: int) -> str:
    return names[item] if item < len(names) else str(1 + 37 * item)


def _user(names: tuple[str, ...], user: int) -> str:
    return f"{names[user % len(names)]} {user_number(user)}" if names else user_number(user)


ODD_NAMES: Final = (
    "a b", " lead", "trail ", " both ", "  ", 'say "hi"', '"', "x,y", "semi;colon", "a|b", "::", "a:b", "it's", "back\\slash",
    "#1", "007", "1.0", "1e3", "-1", "NA", "null", "None", "nan", "True", "=1+1", "é", "e\u0301", "日本", "🦊",
    "line\u2028break", "%20",
)  # fmt: skip
_TEXT: Final = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=6)


def names() -> st.SearchStrategy[str]:
    """Draw ids of any text without control characters, except numbers that could equal another item's id."""
    return (st.sampled_from(ODD_NAMES) | _TEXT).filter(_is_no_number)


def _is_no_number(text: str) -> bool:
    """Return False for whole numbers, also with ``.0``: a column of those comes from a program that used floats."""
    whole = text.removesuffix(".0")
    return not (whole.isdecimal() and (whole == str(int(whole)) or whole != text))


def interaction_tables(
    *, rows: tuple[int, int] = (1, 8), users: int = 3, items: int = 5, days: int = 6
) -> st.SearchStrategy[InteractionTable]:
    """Draw tables of a few rows, some repeated, in any order; some hold only the lowest and the highest rating.

    Args:
        rows: Smallest and largest number of rows before some are repeated.
        users: Largest number of users.
        items: Largest number of items.
        days: Largest number of days; few, so that times tie.
    """
    row = st.tuples(st.integers(0, users - 1), st.integers(0, items - 1), st.integers(1, 5), st.integers(0, days - 1))
    drawn = st.lists(names(), min_size=min(3, items), max_size=items, unique=True).map(tuple)
    nasty = st.permutations([name for name in ODD_NAMES if _is_no_number(name)]).map(lambda order: tuple(order[:items]))
    return st.builds(
        _table,
        st.lists(row, min_size=rows[0], max_size=rows[1]),
        again=st.lists(st.integers(0, rows[1] - 1), max_size=2),
        names=st.just(()) | drawn | nasty,
        untitled=st.lists(st.integers(0, items - 1), max_size=2, unique=True).map(tuple),
        binary=st.booleans(),
        texts=st.integers(0, 99),
    )


def disordered_tables() -> st.SearchStrategy[InteractionTable]:
    """Draw tables of two users in turns, whose rows are in the order of no column: whoever sorts them changes it."""
    days = st.lists(st.integers(0, 5), min_size=8, max_size=8)
    ratings = st.lists(st.sampled_from([1, 5]), min_size=8, max_size=8)
    pairs = st.permutations([(user, item) for user in range(2) for item in (0, 1, 3, 4)])
    return st.builds(_zipped, pairs, ratings, days).filter(lambda table: table.is_disordered)


def _zipped(pairs: Sequence[tuple[int, int]], ratings: Sequence[int], days: Sequence[int]) -> InteractionTable:
    """Return a table of numbers for ids, which every format holds."""
    rows = zip(pairs, ratings, days, strict=True)
    return InteractionTable(rows=tuple((user, item, rating, day) for (user, item), rating, day in rows))


def _table(
    rows: list[tuple[int, int, int, int]],
    *,
    again: list[int],
    names: tuple[str, ...],
    untitled: tuple[int, ...],
    binary: bool,
    texts: int,
) -> InteractionTable:
    """Return a table with some rows repeated; formats of binary feedback hold no middle rating."""
    if binary:
        rows = [(user, item, 1 if rating < 3 else 5, day) for user, item, rating, day in rows]
    repeats = [rows[index % len(rows)] for index in again] if rows else []
    return InteractionTable(rows=(*rows, *repeats), names=names, untitled=untitled, texts=texts)
