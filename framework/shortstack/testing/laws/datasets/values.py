"""Values survive reading: half stars, times with and without an offset, missing values, odd ids, many rows."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

import attrs
from hypothesis import strategies as st

from shortstack.contracts import Sample
from shortstack.errors import DataError
from shortstack.testing.broken import UntriedError
from shortstack.testing.comparing import require
from shortstack.testing.elsewhere import elsewhere
from shortstack.testing.law import law
from shortstack.testing.laws.datasets.reading import (
    DESCRIBED,
    MEASURES,
    NAMED,
    TIMED,
    WRITES,
    absent,
    failure_of,
    projected,
    read,
    rows_of,
    sample_rows,
    written,
)
from shortstack.testing.laws.datasets.spots import MARK, spoiled, spots
from shortstack.testing.recipes.tables import ODD_NAMES, InteractionTable, interaction_tables
from shortstack.testing.subject import Subject

TABLES = interaction_tables(rows=(2, 8))
ROWS = st.integers(0, 9)
MANY: Final = 3_000
_PLAIN: Final = ("7", "1", "1000", "a", "é")
"""Ids that odd names turn into where they are parsed as numbers, trimmed or normalised."""
_HOUR: Final = 3_600_000
_TIMES: Final = (
    0,
    13 * _HOUR,
    13 * _HOUR + 45 * 60_000,
    13 * _HOUR + 45 * 60_000 + 30_000,
    13 * _HOUR + 45 * 60_000 + 30_257,
)
"""Midnight, and a time of day to the hour, the minute, the second and the millisecond."""
_RATINGS: Final = (0.0, -3.0, 7.0, 100.0)
"""Ratings beyond one to five stars: those of jokes are negative, those of books and animes go to 10."""
_LONG: Final = " ".join(["A Title That Goes On"] * 16)
_LATE: Final = 4_102_444_800_000
"""The year 2100 in milliseconds; its seconds overflow a signed 32-bit integer."""
_EARLY: Final = -157_766_400_000
"""The year 1965 in milliseconds."""
_MOMENTS: Final = (
    "2009-05-04T10:30:15+05:45",
    "2009-05-04 10:30:15-08:00",
    "2009-05-04T10:30:15Z",
    "2009-05-04T10:30:15",
    "2009-05-04 10:30:15",
)


@law("dataset", when=WRITES, examples=5, table=TABLES, row=ROWS)
def half_stars(subject: Subject, *, table: InteractionTable, row: int) -> None:
    """A rating between two whole stars, or between two halves, is read exactly, if the format has a place for it."""
    sample = table.sample()
    row %= len(sample.rows)
    low = min(4.0, float(sample.rows[row].rating or 1))
    for step in (0.5, 0.25):
        between, *around = (spoiled(sample, row, rating=low + rating) for rating in (step, 0.0, 2 * step))
        if _differs(subject, between, *around):
            _require_rows(subject, between)


@law("dataset", when=WRITES, examples=5, table=TABLES, row=ROWS)
def ratings_of_any_scale(subject: Subject, *, table: InteractionTable, row: int) -> None:
    """A rating of 0, below 0 or above 5 is read as it is, or refused, if the format has a place for it."""
    sample = table.sample()
    row %= len(sample.rows)
    for rating in _RATINGS:
        odd, *around = (spoiled(sample, row, rating=rating + step) for step in (0.0, -1.0, 1.0))
        if _differs(subject, odd, *around):
            _require_rows(subject, odd, or_refused=True)


@law("dataset", when=DESCRIBED)
def whole_titles(subject: Subject) -> None:
    """A title is read to its last letter, however long it is."""
    sample = InteractionTable(rows=((0, 0, 5, 0), (1, 1, 1, 1))).sample()
    titles = {item: f"{_LONG} {item}" for item in sample.titles}
    with written(subject, attrs.evolve(sample, titles=titles)) as place:
        found = dict(read(subject, place.source).items.select("item", "title").collect().rows())
    for item in {row.item for row in sample.rows}:
        title = found.get(item)
        fits = title == titles[item] or not (subject.traits.titles or any(found.values()))
        require(fits, f"of a title of {len(titles[item])} letters {len(title or '')} are read")


@law("dataset", when=WRITES, examples=3, table=TABLES, row=ROWS)
def large_numbers(subject: Subject, *, table: InteractionTable, row: int) -> None:
    """Ids of 17 digits are read exactly, or refused: floats would merge neighbouring users or items."""
    sample = table.sample()
    large = {"user": "76561197960265729", "item": "9007199254740993"}
    _require_rows(subject, spoiled(sample, row % len(sample.rows), **large), or_refused=True)


@law("dataset", when=NAMED)
def odd_names(subject: Subject) -> None:
    """Any text is an id, and two texts are two: 007 is not 7, a user may be called NA, and é is written in two ways.

    A format may refuse to write some; what it writes is read.
    """
    sample = InteractionTable(rows=tuple((n, n, 1 + n % 2 * 4, n) for n in range(1 + len(_PLAIN)))).sample()
    for odd in ODD_NAMES:
        names = [odd, *(_PLAIN if odd not in _PLAIN else _PLAIN[1:])]
        rows = [attrs.evolve(row, user=name, item=name) for row, name in zip(sample.rows, names, strict=False)]
        titles = {name: f"Title {number}" for number, name in enumerate(names)}
        try:
            _require_rows(
                subject, attrs.evolve(sample, rows=rows, titles=titles, categories=dict.fromkeys(names, "Drama"))
            )
        except UntriedError:
            continue


@law("dataset", when=TIMED, examples=5, table=TABLES, row=ROWS)
def times_of_day(subject: Subject, *, table: InteractionTable, row: int) -> None:
    """Hours, minutes, seconds and milliseconds of a time are read, each where the format has a place for it.

    The first moment of 1970, whose number is 0, and times in the years 1965 and 2100 are read as they are, or refused.
    """
    sample = table.sample()
    row %= len(sample.rows)
    day = int(sample.rows[row].timestamp or 0)
    samples = [spoiled(sample, row, timestamp=day + time) for time in _TIMES]
    for coarse, fine in pairwise(samples):
        if _differs(subject, fine, coarse):
            _require_rows(subject, fine)
    for extreme in (0, _EARLY, _LATE):
        _require_rows(subject, spoiled(sample, row, timestamp=extreme), or_refused=True)


@law("dataset", when=TIMED, table=TABLES, row=ROWS, text=st.sampled_from(_MOMENTS))
def times_as_text(subject: Subject, *, table: InteractionTable, row: int, text: str) -> None:
    """A time written with an offset is that moment, one without is in UTC; or the row is refused.

    Tried in a local time zone other than UTC.
    """
    sample = table.sample()
    row %= len(sample.rows)
    moment = datetime.fromisoformat(text)
    meant = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    _require_rows(
        subject,
        spoiled(sample, row, timestamp=text),
        spoiled(sample, row, timestamp=int(meant.timestamp()) * 1_000),
        or_refused=True,
        where=elsewhere,
    )


@law("dataset", when=WRITES, table=TABLES, row=ROWS, measure=st.sampled_from(MEASURES))
def missing_values(subject: Subject, *, table: InteractionTable, row: int, measure: str) -> None:
    """A row without a rating or a time is read as missing it, or refused; it is neither dropped nor read as 0."""
    sample = table.sample()
    _require_rows(subject, spoiled(sample, row % len(sample.rows), **{measure: None}), or_refused=True)


@law("dataset", when=WRITES, table=interaction_tables(rows=(3, 8)), row=ROWS, blank=ROWS)
def blank_lines(subject: Subject, *, table: InteractionTable, row: int, blank: int) -> None:
    """After a blank line too an error names the line of the bad row as the file has it, or else the blank one."""
    sample = table.sample()
    row = 1 + row % (len(sample.rows) - 1)
    for measure in MEASURES:
        with written(subject, spoiled(sample, row, **{measure: MARK})) as place:
            marked = [spot for spot in spots(place, MARK) if spot.line > 1]
            if not marked:
                continue
            path, line = place.folder / marked[0].file, marked[0].line
            lines = path.read_bytes().split(b"\n")
            empty = 2 + blank % (line - 1)  # 2 or later: line 1 may be a header
            path.write_bytes(b"\n".join([*lines[: empty - 1], b"", *lines[empty - 1 :]]))
            error = failure_of(subject, place.source)
            if error is None and measure in absent(rows_of(read(subject, place.source)), subject):
                continue
        number = str(error).removeprefix(f"{path}:").partition(":")[0]
        right = {str(empty), str(line + 1)}
        require(isinstance(error, DataError), f"row {row} with the {measure} {MARK!r} after a blank line: {error!r}")
        require(
            number in right or not number.isdecimal(),
            f"line {line + 1} is bad and line {empty} blank, but the error names line {number}: {error}",
        )


@law("dataset", when=WRITES, examples=2, seed=st.integers(0, 99))
def many_rows(subject: Subject, *, seed: int) -> None:
    """All of 3,000 rows are read, and the last may hold a first of its kind: a non-numeric id, a half star.

    A bad rating in the last row is reported with its line.
    """
    few = InteractionTable(rows=((0, 0, 5, 0), (1, 1, 1, 1))).sample()
    rows = tuple((n % 37, n * (seed + 7) % 211, 1 + n % 2 * 4, n % 6) for n in range(MANY))
    sample = InteractionTable(rows=rows).sample()
    last = MANY - 1
    late: dict[str, Any] = {"user": "u-7", "item": "b 7"} if subject.traits.text_ids else {}
    if _holds_halves(subject, few):
        late["rating"] = 4.5
    _require_rows(subject, spoiled(sample, last, **late))
    with written(subject, spoiled(sample, last, rating=MARK)) as place:
        marked, error = spots(place, MARK), failure_of(subject, place.source)
    heads = tuple(spot.head(place) for spot in marked)
    require(
        not heads or str(error).startswith(heads), f"the last of {MANY} rows has the rating {MARK!r}, and {error!r}"
    )


def _holds_halves(subject: Subject, sample: Sample) -> bool:
    """Return True if the format has a place for a half star."""
    return _differs(subject, *(spoiled(sample, 0, rating=rating) for rating in (4.5, 4.0, 5.0)))


def _differs(subject: Subject, sample: Sample, *others: Sample) -> bool:
    """Return True if a sample's files differ from each other sample's: only then can a reader tell them apart."""
    try:
        ours = _content(subject, sample)
        # written twice: a writer whose files vary by themselves proves nothing
        return ours == _content(subject, sample) and all(ours != _content(subject, other) for other in others)
    except UntriedError:
        return False


def _content(subject: Subject, sample: Sample) -> Mapping[str, bytes]:
    with written(subject, sample) as place:
        return {str(path.relative_to(place.folder)): path.read_bytes() for path in place.files}


def _require_rows(
    subject: Subject,
    sample: Sample,
    meant: Sample | None = None,
    *,
    or_refused: bool = False,
    where: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Raise unless all rows of a sample are read as they are meant; a clear error will do if ``or_refused``."""
    try:
        with written(subject, sample) as place, where():
            read_rows = rows_of(read(subject, place.source))
    except (DataError, UntriedError):
        if or_refused:
            return
        raise
    without = absent(read_rows, subject)
    expected, actual = (Counter(projected(rows, without)) for rows in (sample_rows((meant or sample).rows), read_rows))
    require(
        expected == actual,
        f"read but never written: {_few(actual - expected)}; written but not read: {_few(expected - actual)}",
    )


def _few(rows: "Counter[tuple[Any, ...]]") -> str:
    """Return the first three, for a message."""
    return f"{list(rows.elements())[:3]}{' and more' if rows.total() > 3 else ''}"
