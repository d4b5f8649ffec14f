"""Search as you type: items whose title or id begins with, or holds, what was typed."""

from collections.abc import Iterator, Sequence
from heapq import nsmallest
from unicodedata import combining, normalize

import attrs

from shortstack.data.catalogue import Catalogue, Item

_BEGINS, _WORD_BEGINS, _HOLDS = range(3)


@attrs.frozen(kw_only=True, eq=False)
class Search:
    """Search among items; thread-safe.

    Attributes:
        items: The items.
        texts: Their titles, or ids if they have none, without accents and in small letters.
    """

    items: Sequence[Item]
    texts: Sequence[str]

    @classmethod
    def of(cls, catalogue: Catalogue) -> "Search":
        """Return the search among a catalogue's items."""
        return cls(items=catalogue.items, texts=[folded(item.title or item.id) for item in catalogue.items])

    def find(self, query: str, most: int) -> list[Item]:
        """Return items by how they match, then in the order of the catalogue.

        Args:
            query: What was typed: the beginning of a title, then of one of its words, then anywhere in it; or an id.
            most: Largest number of items.
        """
        wanted = folded(query)
        return [self.items[place] for _, place in nsmallest(most, self._matches(wanted, query))]

    def _matches(self, wanted: str, query: str) -> Iterator[tuple[int, int]]:
        for place, text in enumerate(self.texts):
            if wanted in text:
                yield _kind(wanted, text), place
            elif self.items[place].id == query:
                yield _BEGINS, place


def _kind(wanted: str, text: str) -> int:
    if text.startswith(wanted):
        return _BEGINS
    return _WORD_BEGINS if f" {wanted}" in text else _HOLDS


def folded(text: str) -> str:
    """Return a text without accents, in small letters, with single spaces.

    >>> folded("  AMÉLIE  (2001)")
    'amelie (2001)'
    """
    letters = (one for one in normalize("NFKD", text) if not combining(one))
    return " ".join("".join(letters).casefold().split())
