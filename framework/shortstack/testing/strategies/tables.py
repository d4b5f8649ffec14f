"""Strategies for interaction tables with the flaws of real ones: repeats, ties in time, ids with quotes and commas."""

from typing import Final

from hypothesis import strategies as st

from shortstack.testing.recipes.tables import InteractionTable

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
