"""Preparation of an adapter's records: dense ids, an order that leaks nothing, the k-core."""

from collections import Counter

from hypothesis import strategies as st

from shortstack.data.interactions import Interactions
from shortstack.errors import EmptyDataError
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.datasets.reading import WRITES, Row, decoded, prepared, read, rows_of, written
from shortstack.testing.recipes.tables import InteractionTable, interaction_tables
from shortstack.testing.subject import Subject


@law("dataset", when=WRITES, table=interaction_tables())
def dense_ids(subject: Subject, *, table: InteractionTable) -> None:
    """Users and items are numbered 0 … n − 1, each number occurs, and decoding them gives the rows that were read."""
    with written(subject, table.sample(text_ids=subject.traits.text_ids)) as place:
        records = read(subject, place.source)
    made = Interactions.from_records(records, core=0)
    for what, codes, names in (
        ("users", made.table["user"], made.users),
        ("items", made.table["item"], made.items["item"]),
    ):
        require(names.n_unique() == len(names), f"some {what} have two numbers")
        occurring = sorted(codes.unique().to_list())
        require(occurring == list(range(len(names))), f"the numbers of {len(names)} {what} are {occurring}")
    expected, actual = Counter(rows_of(records)), Counter(decoded(made))
    require(expected == actual, f"decoded but never read: {list((actual - expected).elements())}")


@law("dataset", when=WRITES, table=interaction_tables(rows=(2, 8)), order=st.integers(0, 999))
def row_order(subject: Subject, *, table: InteractionTable, order: int) -> None:
    """The same rows in another order give the same data set, byte for byte: its numbers, order, ids and titles."""
    first, second = (
        prepared(subject, rows.sample(text_ids=subject.traits.text_ids)) for rows in (table, table.shuffled(order))
    )
    for what in ("table", "items"):
        left, right = getattr(first, what), getattr(second, what)
        require(left.equals(right), f"other {what}: {right.rows()} instead of {left.rows()}")
    require(first.users.equals(second.users), "users are numbered otherwise")


@law("dataset", when=WRITES, examples=3, seed=st.integers(0, 99))
def ties_leak_nothing(subject: Subject, *, seed: int) -> None:
    """Interactions of one time are ordered by a seeded hash of user and item, and items numbered by a seeded hash.

    Ten users do the same ten things in one day: two of them must not do so in the same order, and another seed gives
    other orders and other numbers. Each would happen by chance once in 3.6 million.
    """
    table = InteractionTable(rows=tuple((user, item, 5, 0) for user in range(10) for item in range(10)))
    made, other = (prepared(subject, table.sample(), seed=each) for each in (seed, seed + 1))
    orders, others = _orders(made), _orders(other)
    first, second, *_ = orders
    require(orders[first] != orders[second], f"two users do the same things in the same order: {orders[first]}")
    require(orders[first] != others[first], f"seeds {seed} and {seed + 1} order ties alike: {orders[first]}")
    numbered = [each.items["item"].to_list() for each in (made, other)]
    require(numbered[0] != numbered[1], f"seeds {seed} and {seed + 1} number items alike: {numbered[0]}")


@law(
    "dataset",
    when=WRITES,
    examples=25,
    table=interaction_tables(rows=(6, 16), users=5, items=5),
    core=st.integers(2, 3),
)
def k_core(subject: Subject, *, table: InteractionTable, core: int) -> None:
    """The k-core is a fixed point: each user and item left has k rows, and a slow reference loop gives the same."""
    with written(subject, table.sample(text_ids=subject.traits.text_ids)) as place:
        records = read(subject, place.source)
    expected = _slow_core(rows_of(records), core)
    try:
        made = Interactions.from_records(records, core=core)
    except EmptyDataError:
        require(not expected, f"nothing is left of the {core}-core, where {len(expected)} rows should be")
        return
    left = decoded(made)
    for column, what in enumerate(("user", "item")):
        fewest = min(Counter(row[column] for row in left).values())
        require(fewest >= core, f"some {what} in the {core}-core has {fewest} rows")
    require(Counter(left) == Counter(expected), f"the {core}-core has {len(left)} rows instead of {len(expected)}")
    require(_slow_core(left, core) == left, "the core of the core is smaller")


def _orders(made: Interactions) -> dict[str, list[str]]:
    """Return each user's items in order."""
    orders: dict[str, list[str]] = {}
    for user, item, *_ in decoded(made):
        orders.setdefault(user, []).append(item)
    return dict(sorted(orders.items()))


def _slow_core(rows: list[Row], core: int) -> list[Row]:
    """Drop the rows of one user or item at a time until each has at least ``core``; a slow reference."""
    while True:
        counts = Counter((column, row[column]) for row in rows for column in (0, 1))
        poor = next(((column, name) for (column, name), count in counts.items() if count < core), None)
        if poor is None:
            return rows
        rows = [row for row in rows if row[poor[0]] != poor[1]]
