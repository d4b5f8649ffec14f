"""Users' histories beside a catalogue: which items are unknown, and who has none."""

from collections import Counter
from typing import Final

import attrs

from shortstack.data.catalogue import Catalogue
from shortstack.data.user_histories import UserHistory
from shortstack.errors import DataError, RowError

_SHOWN: Final = 5
_DISTINCT: Final = 100_000
"""Number of distinct unknown names that are counted one by one, so that a wrong file cannot fill the memory."""


@attrs.define(kw_only=True, eq=False)
class HistoryCheck:
    """Counts over users' histories.

    Attributes:
        catalogue: The items.
        users: Number of users.
        items: Number of items in all histories.
        first_empty: Row of the first user with no items at all; 0 if there is none.
        without: Number of users with no known item.
        unknown: Unknown name → how often it occurs.
        uncounted: Number of occurrences of further unknown names.
    """

    catalogue: Catalogue
    users: int = 0
    items: int = 0
    first_empty: int = 0
    without: int = 0
    unknown: Counter[str] = attrs.field(factory=Counter)
    uncounted: int = 0

    def places(self, history: UserHistory) -> list[int]:
        """Count a user, and return the dense ids of the known items, oldest first."""
        places = {name: self.catalogue.place(name) for name in history.items}
        known = [place for name in history.items if (place := places[name]) is not None]
        self.users += 1
        self.items += len(history.items)
        self.without += not known
        if not history.items:
            self.first_empty = self.first_empty or history.row
        if len(known) < len(history.items):
            for name in history.items:
                if places[name] is None:
                    self._count(name)
        return known

    @property
    def times(self) -> int:
        """Number of occurrences of unknown names."""
        return self.unknown.total() + self.uncounted

    def require_known(self, place: object, remedy: str) -> None:
        """Raise if an item is unknown, or a user has none.

        Args:
            place: The file or table, for the message.
            remedy: How to leave unknown items out, for the message.

        Raises:
            DataError: Items are unknown; the message counts them, and names some with similar ones.
            RowError: A user has no items.
        """
        if self.unknown:
            raise DataError(
                f"{place} names {self.amount()}: {self.named()}; correct them, or leave unknown items out with {remedy}"
            )
        if self.first_empty:
            raise RowError(
                place,
                self.first_empty,
                f"the user has no items; give one, or an empty answer to such users with {remedy}",
            )

    def named(self) -> str:
        """Return the most frequent unknown names, how often they occur, and similar names."""
        most = [self._described(name, times) for name, times in self.unknown.most_common(_SHOWN)]
        left = len(self.unknown) - len(most)
        return ", ".join([*most, f"and {left:,}{' or more' if self.uncounted else ''} others"] if left else most)

    def amount(self) -> str:
        """Return how many items are unknown, in words."""
        more = " or more" if self.uncounted else ""
        items = "1 item" if len(self.unknown) == 1 and not more else f"{len(self.unknown):,}{more} items"
        return f"{items} that the catalogue lacks, {self.times:,} of {self.items:,} times"

    def _described(self, name: str, times: int) -> str:
        near = ", ".join(map(repr, self.catalogue.near(name)))
        return (
            f"{name!r} {times:,} {'time' if times == 1 else 'times'} ({f'near: {near}' if near else 'nothing is near'})"
        )

    def _count(self, name: str) -> None:
        if name in self.unknown or len(self.unknown) < _DISTINCT:
            self.unknown[name] += 1
        else:
            self.uncounted += 1
