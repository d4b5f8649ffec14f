"""Recipes for small interaction tables, made of plain numbers."""

import random
from typing import Final

import attrs

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
