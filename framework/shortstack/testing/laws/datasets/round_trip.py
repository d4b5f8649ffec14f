"""Rows and descriptions come back as they were written."""

from collections import Counter
from typing import Literal

from hypothesis import strategies as st

from shortstack.errors import DataError
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.datasets.reading import (
    DESCRIBED,
    WRITES,
    absent,
    projected,
    read,
    rows_of,
    sample_rows,
    written,
)
from shortstack.testing.laws.datasets.spots import ascending, lines_in_order
from shortstack.testing.recipes.tables import InteractionTable, disordered_tables, interaction_tables
from shortstack.testing.subject import Subject


@law("dataset", when=WRITES, examples=40, table=interaction_tables())
def rows_round_trip(subject: Subject, *, table: InteractionTable) -> None:
    """Every row that was written is read, as often as it was written: its user, item, rating, and time in milliseconds.

    A rating or a time may be missing from all rows where the traits do not promise it.
    """
    sample = table.sample(text_ids=subject.traits.text_ids)
    with written(subject, sample) as place:
        read_rows = rows_of(read(subject, place.source))
    without = absent(read_rows, subject)
    expected, actual = (Counter(projected(rows, without)) for rows in (sample_rows(sample.rows), read_rows))
    require(
        expected == actual,
        f"read but never written: {list((actual - expected).elements())}; "
        f"written but not read: {list((expected - actual).elements())}",
    )


@law("dataset", when=DESCRIBED, table=interaction_tables())
def descriptions_round_trip(subject: Subject, *, table: InteractionTable) -> None:
    """Each item of a row has the title and the category that were written for it, and none where there was none.

    Titles or categories may be missing from all items where the traits do not promise them.
    """
    sample = table.sample(text_ids=subject.traits.text_ids)
    with written(subject, sample) as place:
        items = read(subject, place.source).items.collect()
    for column, descriptions, promised in (
        ("title", sample.titles, subject.traits.titles),
        ("category", sample.categories, subject.traits.categories),
    ):
        texts = {item: text or "" for item, text in items.select("item", column).iter_rows()}
        for item in dict.fromkeys(row.item for row in sample.rows):
            expected, actual = descriptions.get(item, ""), texts.get(item, "")
            fits = expected == actual or not (promised or any(texts.values()))
            require(fits, f"the {column} of item {item!r} is {actual!r}, but {expected!r} was written")


@law("dataset", when=WRITES, table=disordered_tables())
def file_order(subject: Subject, *, table: InteractionTable) -> None:
    """The rows of one file are read in the order of its lines, and not by time, by user or by any other column."""
    sample = table.without_repeats().sample(text_ids=subject.traits.text_ids)
    with written(subject, sample) as place:
        positions = {row[:2]: position for position, row in enumerate(rows_of(read(subject, place.source)))}
    pairs = [(row.user, row.item) for row in sample.rows]
    for lines in lines_in_order(subject, sample):
        order = [positions[pairs[row]] for row in lines if pairs[row] in positions]
        require(ascending(order), f"the rows of a file come in the order {order} instead of as they stand in it")


@law("dataset", when=WRITES, table=interaction_tables(), ending=st.sampled_from(["none", "CR LF"]))
def line_ends(subject: Subject, *, table: InteractionTable, ending: Literal["none", "CR LF"]) -> None:
    """The last line of a file counts without a newline too; Windows line ends change nothing, or are refused."""
    with written(subject, table.sample(text_ids=subject.traits.text_ids)) as place:
        before = read(subject, place.source)
        for path in place.files:
            data = path.read_bytes()
            if b"\0" not in data:
                path.write_bytes(data.removesuffix(b"\n") if ending == "none" else data.replace(b"\n", b"\r\n"))
        try:
            after = read(subject, place.source)
        except DataError as error:
            require(ending == "CR LF", f"a text without a newline at its end is refused: {error}")
            return
    require(rows_of(before) == rows_of(after), f"{rows_of(after)} is read, and with the usual ends {rows_of(before)}")
    left, right = (records.items.collect().sort("item") for records in (before, after))
    require(left.equals(right), f"items {right.rows()} are read, and with the usual ends {left.rows()}")
