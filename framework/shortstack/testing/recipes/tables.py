"""Small interaction tables, made from a recipe of plain numbers."""

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
    """What the user of this number is called: a long number that nothing else in a file is likely to hold.

    >>> user_number(1)
    '2147007919'
    """
    return str(2_147_000_000 + 7_919 * user)


@attrs.frozen(kw_only=True)
class InteractionTable:
    """A recipe for a sample that a dataset adapter can write.

    Attributes:
        rows: User, item, rating from 1 to 5, and day: small numbers from 0, but for the rating.
        names: What the first items are called where ids may be any text; the others go by numbers.
        untitled: Items that have neither a title nor a category; the lowest in the rows has both all the same.
        texts: At which of some odd titles and categories the first item's stand.

    >>> InteractionTable(rows=((0, 1, 5, 0),)).sample().rows
    (Interaction(user='2147000000', item='38', rating=5.0, timestamp=777600000000),)
    """

    rows: tuple[tuple[int, int, int, int], ...]
    names: tuple[str, ...] = ()
    untitled: tuple[int, ...] = ()
    texts: int = 0

    def sample(self, *, text_ids: bool = False) -> Sample:
        """The sample; beside the items of its rows it has the title of one that is in no row.

        Args:
            text_ids: Whether ``names`` are used.
        """
        names = self.names if text_ids else ()
        rated = {item for _, item, _, _ in self.rows}
        described = (rated - {*self.untitled}) | {min(rated, default=0)}
        order = sorted(described, key=lambda item: (-(item % 2), item))  # that nobody would guess
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
        """The same rows in another order."""
        return attrs.evolve(self, rows=tuple(random.Random(seed).sample(self.rows, len(self.rows))))  # noqa: S311

    def without_repeats(self) -> "InteractionTable":
        """The first row of each pair of user and item."""
        first: dict[tuple[int, int], tuple[int, int, int, int]] = {}
        for row in self.rows:
            first.setdefault(row[:2], row)
        return attrs.evolve(self, rows=tuple(first.values()))


def _item(names: tuple[str, ...], item: int) -> str:
    return names[item] if item < len(names) else str(1 + 37 * item)


def _user(names: tuple[str, ...], user: int) -> str:
    return f"{names[user % len(names)]} {user_number(user)}" if names else user_number(user)
