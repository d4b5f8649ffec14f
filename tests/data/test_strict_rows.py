"""Delimited text against Python's strict ``csv``: the same rows, and what it refuses is a bad row with its line."""

import csv
import io
import random

import pytest
from sources import build

from shortstack.errors import ConfigurationError, DataError, RowError
from shortstack_datasets.reading import lines, rows
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.delimited import Form, read_delimited
from shortstack_datasets.reading.streams import Stream

FORMS = (
    Form(separator=",", quoted=True),
    Form(separator="\t", quoted=True),
    Form(separator=" ", quoted=True),
    Form(separator=";", quoted=True, escape="\\"),
    Form(separator="|"),
    Form(separator=",", escape="\\"),
    Form(separator="::"),
)
FIELDS = (
    "",
    "a",
    "bc",
    "é",
    '"a"',
    '"a""b"',
    '""',
    '"b,;|\t ::c"',
    '"d\ne"',
    '24"',
    '"a"b',
    "\\n",
    '"x\\"y"',
    "a\\\n",
    "b\\\r",
    " ",
    ":",
    "\x1f",
    '"',
)


def file_of(dice, form, width):
    """Return text of a few rows, most of them valid; some with more fields, fewer, or other line ends."""
    fields = FIELDS[:7] if dice.random() < 0.5 else FIELDS
    rows = []
    for _ in range(dice.randint(1, 8)):
        many = width + dice.choice((-1, 1)) * (dice.random() < 0.07)
        rows.append(form.separator.join(dice.choices(fields, k=many)))
    end = dice.choice(("\n", "\n", "\r\n"))
    text = "".join(row + (end if dice.random() < 0.98 else dice.choice(("\r", "\n\n", "\r\r\n"))) for row in rows)
    return text if "\n" in text else f"{text}\n"


def without_line_ends(text, escape):
    """Return the text without trailing line ends; an unescaped escape makes one part of a field."""
    while text.endswith(("\r", "\n")):
        before = text[:-1]
        if escape and (len(before) - len(before.rstrip(escape))) % 2:
            break
        text = before
    return text


def expected(text, form, width):
    """Return rows with their first lines, and the lines of bad rows; after one, reading goes on at the next line."""
    lines_of = without_line_ends(text, form.escape).split("\n")
    taken, bad, start = [], [], 0
    while start < len(lines_of):
        rest = "\n".join(lines_of[start:])
        for row, used in parsed(rest, form):
            if row is None:
                bad.append(start + 1)
                start += 1
                break
            (taken.append((start + 1, row)) if len(row) == width else bad.append(start + 1))
            start += used
    return taken, bad


def parsed(text, form):
    """Yield each row and its number of lines; None for one that cannot be read, and then stop."""
    if len(form.separator) > 1:
        for line in text.split("\n"):
            row = line.rstrip("\r")
            yield (None if "\r" in row else row.split(form.separator) if row else []), 1
        return
    quoting = csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE
    source = io.StringIO(text + "\n", newline="\n")
    reader = csv.reader(source, delimiter=form.separator, quoting=quoting, escapechar=form.escape, strict=True)
    before = 0
    try:
        for row in reader:
            yield row, reader.line_num - before
            before = reader.line_num
    except csv.Error:
        yield None, 0


def read(text, form, chosen, bad):
    """Return the rows of some columns."""
    data = text.encode()
    stream = Stream(file=io.BytesIO(data), place="a.csv", size=len(data), problem="")
    columns = [Column(name=name, role=name, kind="label") for name in chosen]
    return [tuple(value or "" for value in row) for row in read_delimited(stream, form, columns, bad).rows()]


def compare(seed):
    """Compare both readers on one random file, in blocks of random size, on some columns."""
    dice = random.Random(seed)
    form, width = dice.choice(FORMS), dice.randint(1, 4)
    text = file_of(dice, form, width)
    names = tuple(f"c{index}" for index in range(width))
    chosen = dice.sample(names, dice.randint(1, width))
    # with names, a file of one line is no header
    form = Form(separator=form.separator, quoted=form.quoted, escape=form.escape, names=names, header=False)
    lines.SIZE, rows.PART = dice.choice((3, 7, 20, 1 << 20)), dice.choice((4, 11, 1 << 19))
    taken, bad_lines = expected(text, form, width)
    bad = BadRows(skip=True)
    if not without_line_ends(text, form.escape):
        with pytest.raises(DataError, match="is empty"):
            read(text, form, chosen, bad)
        return
    result = read(text, form, chosen, bad)

    assert result == [tuple(row[names.index(name)] for name in chosen) for _, row in taken], (seed, form, text)
    if bad_lines and without_line_ends(text, form.escape) != text.rstrip("\r\n"):
        return  # in a bad row it is undecidable whether the last line end is escaped, or ends an empty line
    assert bad.rows == len(bad_lines), (seed, form, text)
    assert [example.split(":")[1] for example in bad.examples] == [str(line) for line in bad_lines[:3]], (seed, text)
    if bad_lines:
        with pytest.raises(RowError, match=rf"^a\.csv:{bad_lines[0]}: "):
            read(text, form, chosen, BadRows())


@pytest.mark.parametrize("seeds", [range(200), pytest.param(range(200, 10_000), marks=pytest.mark.full)])
def test_ten_thousand_small_files(seeds, monkeypatch):
    """Rows equal those of ``csv``, for every separator, choice of columns and block size."""
    monkeypatch.setattr(lines, "SIZE", lines.SIZE)
    monkeypatch.setattr(rows, "PART", rows.PART)
    for seed in seeds:
        compare(seed)


@pytest.mark.parametrize("mark", ["x\x01", "x^", "\x1f\x8b", "(\xb5/\xfd"])
def test_text_that_looks_packed(mark):
    """Text that looks like a compressed file is read as text, in the first row of the file and of any block."""
    text = f"{mark}1,y\nb,z\n"
    form = Form(separator=",", names=("c0", "c1"), header=False, encoding="latin-1")
    stream = Stream(file=io.BytesIO(text.encode("latin-1")), place="a.csv", size=len(text), problem="")
    columns = [Column(name=name, role=name, kind="label") for name in form.names]

    assert read_delimited(stream, form, columns, BadRows()).rows() == [(f"{mark}1", "y"), ("b", "z")]


@pytest.mark.parametrize("part", [8, 1 << 19])
def test_lines_of_either_encoding(part, monkeypatch):
    """One line in latin-1 does not change how the others are read, wherever blocks begin."""
    monkeypatch.setattr(rows, "PART", part)
    data = "Björk,5\n".encode() + "Mötley,3\n".encode("latin-1") + "Sigur Rós,4\n".encode()
    form = Form(separator=",", names=("name", "plays"), header=False, encoding="either")
    stream = Stream(file=io.BytesIO(data), place="a.csv", size=len(data), problem="")
    table = read_delimited(stream, form, [Column(name="name", role="name", kind="label")], BadRows())

    assert table["name"].to_list() == ["Björk", "Mötley", "Sigur Rós"]


def test_the_first_bad_row_ends_the_reading():
    """The first bad row raises, for a missing field as for a wrong value."""
    text = "a,ok\nb\nc,1\n"
    form = Form(separator=",", names=("name", "value"), header=False)
    stream = Stream(file=io.BytesIO(text.encode()), place="a.csv", size=len(text), problem="")
    with pytest.raises(RowError, match=r"^a\.csv:1: "):
        read_delimited(stream, form, [Column(name="value", role="value", kind="number")], BadRows())


@pytest.mark.parametrize(
    ("adapter", "settings", "message"),
    [
        ("table", {"user": "item"}, "user and item both name the column 'item'"),
        ("table", {"rating": "when", "timestamp": "when"}, "rating and timestamp both name the column 'when'"),
        ("recbole", {"user": "item_id"}, "user and item both name the column 'item_id'"),
        ("prepared", {"user": "items"}, "user and items both name the column 'items'"),
    ],
)
def test_a_column_has_one_role(adapter, settings, message):
    """Users that are their items were read without a word; a title may be the id."""
    with pytest.raises(ConfigurationError, match=f"{message}, which can be only one of them; name another for one\n"):
        build(adapter, **settings)
    build("table", item="name", title="name")
