"""One bad row among good ones: the error names its file and line and what is wrong, and there is no table."""

import re

import attrs
from hypothesis import strategies as st

from shortstack.contracts import Sample
from shortstack.errors import RowError
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.datasets.reading import MEASURES, WRITES, absent, failure_of, read, rows_of, written
from shortstack.testing.laws.datasets.spots import MARK, Spot, spoiled, spots, spots_of
from shortstack.testing.recipes.tables import InteractionTable, interaction_tables
from shortstack.testing.subject import Subject

TABLES = interaction_tables(rows=(3, 8))
NO_NUMBERS = ("bad", "nan", "inf", "1_0", "3.4.5", "9e999")
ROWS = st.integers(0, 9)


@law("dataset", when=WRITES, examples=8, table=TABLES, row=ROWS)
def bad_row(subject: Subject, *, table: InteractionTable, row: int) -> None:
    """If a row's rating or time is not a number, a RowError names the file, the line, the column and the value.

    Its text begins with ``path:line:`` and shows the value; the text for a bad time differs from that for a bad rating.
    Tried with every text that some languages take for a number, in the first row, the last one, and one between.
    """
    sample = table.sample()
    places = [0, len(sample.rows) - 1, row % len(sample.rows)]
    for number, text in enumerate(NO_NUMBERS):
        index = places[(row + number) % len(places)]
        messages = {measure: _told(subject, sample, index, measure, text) for measure in MEASURES}
        problems = [problem for problem in messages.values() if problem is not None]
        require(
            len(problems) == len(set(problems)),
            f"a bad rating and a bad time are told alike, so the column is not: {problems[:1]}",
        )


@law("dataset", when=WRITES, table=TABLES, row=ROWS, measure=st.sampled_from(MEASURES))
def short_row(subject: Subject, *, table: InteractionTable, row: int, measure: str) -> None:
    """A row that lacks a field gives a RowError with its file and line; the first row may define how many there are."""
    sample = table.sample()
    row = 1 + row % (len(sample.rows) - 1)
    with written(subject, spoiled(sample, row, **{measure: MARK})) as place:
        marked = spots(place, MARK)
        for spot in marked:
            path = place.folder / spot.file
            data = path.read_bytes()
            # the separator before the field goes with it, or an empty field would be left
            before = re.sub(rb"[^A-Za-z0-9\n]+$", b"", data[: spot.start])
            path.write_bytes(before + data[spot.stop :])
        if marked:
            error = failure_of(subject, place.source)
            _require_row_error(error, [spot.head(place) for spot in marked], f"row {row} without its {measure}")


@law("dataset", when=WRITES, table=TABLES, row=ROWS)
def long_row(subject: Subject, *, table: InteractionTable, row: int) -> None:
    """A row with an extra field, wherever it stands, gives a RowError with its file and line: it is no other row.

    The extra field is ``7``, with the separator that stands before the row's rating or time.
    """
    sample = table.sample()
    # plain titles: an odd one may hold the separator
    sample = attrs.evolve(sample, titles=dict.fromkeys(sample.titles, "Plain"))
    row = 1 + row % (len(sample.rows) - 1)  # not the first: it may define the number of fields
    with written(subject, sample) as place:
        for spot, separator in _parted(subject, sample, row):
            path = place.folder / spot.file
            lines = path.read_bytes().split(b"\n")
            fields = lines[spot.line - 1].split(separator)
            for where in range(len(fields) + 1):
                longer = separator.join([*fields[:where], b"7", *fields[where:]])
                path.write_bytes(b"\n".join([*lines[: spot.line - 1], longer, *lines[spot.line :]]))
                error = failure_of(subject, place.source)
                _require_row_error(error, [spot.head(place)], f"row {row} with one more field after {where}")
            path.write_bytes(b"\n".join(lines))


def _parted(subject: Subject, sample: Sample, row: int) -> list[tuple[Spot, bytes]]:
    """Return the place of a row's rating, or else time, and the separator before it; nothing for binary files."""
    for measure in MEASURES:
        with written(subject, spoiled(sample, row, **{measure: MARK})) as place:
            marked = spots(place, MARK)[:1]
            before = [(place.folder / spot.file).read_bytes()[: spot.start] for spot in marked]
        parted = [re.search(rb"[^A-Za-z0-9\n]+$", data) for data in before]
        if pairs := [(spot, match[0]) for spot, match in zip(marked, parted, strict=True) if match]:
            return pairs
    return []


@law("dataset", when=WRITES, table=TABLES, row=ROWS, column=st.sampled_from(["user", "item"]))
def nameless_row(subject: Subject, *, table: InteractionTable, row: int, column: str) -> None:
    """A row without a user or without an item gives a RowError with some file and line."""
    sample = table.sample()
    for index in dict.fromkeys([0, row % len(sample.rows)]):
        with written(subject, spoiled(sample, index, **{column: ""})) as place:
            message = _require_row_error(failure_of(subject, place.source), [], f"row {index} without {column}")
            named = re.match(rf"{re.escape(str(place.folder))}[^:]*:[1-9][0-9]*: ", message)
        require(named, f"row {index} without {column}: the error does not begin with path:line: but says {message!r}")


def _told(subject: Subject, sample: Sample, row: int, measure: str, text: str) -> str | None:
    """Return the error's text after file and line; None if the format has no place for the measure."""
    marked = spots_of(subject, sample, row, measure)
    with written(subject, spoiled(sample, row, **{measure: text})) as place:
        error = failure_of(subject, place.source)
        if error is None and measure in absent(rows_of(read(subject, place.source)), subject):
            return None
        heads = [spot.head(place) for spot in marked]
        problem = _require_row_error(error, heads, f"row {row} with the {measure} {text!r}")
    require(text in problem, f"the error does not show the value {text!r}: {problem!r}")
    return problem


def _require_row_error(error: BaseException | None, heads: list[str], what: str) -> str:
    """Raise unless it is a RowError; return its text after one of ``heads``, or all of it where there are none."""
    if error is None:
        raise AssertionError(f"{what} was read without an error")
    require(isinstance(error, RowError), f"{what}: {type(error).__name__}, not RowError: {error}")
    if not heads:
        return str(error)
    for head in heads:
        if str(error).startswith(head):
            return str(error).removeprefix(head)
    raise AssertionError(f"{what}: the error does not begin with {' or '.join(heads)} but says {str(error)!r}")
