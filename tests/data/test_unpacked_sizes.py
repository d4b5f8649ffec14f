"""Work that a foreign file makes is bounded before it begins: Parquet, zip, and long numbers."""

import json
import os
import random
import sys
import zipfile
from collections import Counter

import polars as pl
import pytest
from sources import build

from shortstack.errors import DataError
from shortstack_datasets.reading.parquet_sizes import unpacked_size

COMPRESSIONS = ["uncompressed", "snappy", "gzip", "lz4", "zstd", "brotli"]


def frame(rows):
    """Columns of every kind of encoding."""
    numbers = range(rows)
    return pl.DataFrame(
        {
            "user": [f"u{number % 7}" for number in numbers],
            "item": pl.Series([number * 7919 % 1000 for number in numbers], dtype=pl.Int64),
            "rating": pl.Series([float(number % 5) for number in numbers], dtype=pl.Float64),
            "is": pl.Series([number % 2 == 0 for number in numbers], dtype=pl.Boolean),
            "list": pl.Series([[number] for number in numbers], dtype=pl.List(pl.Int64)),
        }
    )


@pytest.mark.parametrize("rows", [0, 1, 5_000])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("group", [None, 1_000])
def test_sizes(tmp_path, rows, compression, group):
    """At least eight bytes a value, and not much more for values that take eight bytes."""
    path = tmp_path / "a.parquet"
    frame(rows).write_parquet(path, compression=compression, row_group_size=group)
    size = unpacked_size(path.read_bytes(), {"user", "item"})

    assert 16 * rows <= size <= 20 * rows + 2_000
    assert unpacked_size(path.read_bytes(), {"item"}) < size or not rows
    assert unpacked_size(path.read_bytes(), {"list"}) >= 8 * rows  # its values lie below the column itself
    assert unpacked_size(path.read_bytes(), set()) == 0


def test_long_texts_count(tmp_path):
    """The pages say how long they are."""
    pl.DataFrame({"user": ["u" * 1_000_000], "item": ["i"]}).write_parquet(tmp_path / "a.parquet", compression="zstd")

    assert unpacked_size((tmp_path / "a.parquet").read_bytes(), {"user"}) >= 1_000_000


@pytest.mark.parametrize("kind", ["rows", "texts"])
def test_a_bomb(tmp_path, kind):
    """Refused at once: many rows of one value, or one very long text."""
    path = tmp_path / "a.parquet"
    if kind == "rows":
        bomb = pl.select(user=pl.repeat("u", 5_000_000), item=pl.repeat("i", 5_000_000))
    else:
        bomb = pl.DataFrame({"user": ["u" * 100_000_000], "item": ["i"]})
    bomb.write_parquet(path, compression="zstd")
    with pytest.raises(
        DataError, match=r"a\.parquet grows to more than 200 times its [\d,]+ bytes, which no table does"
    ):
        build("table").read(path)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_parquet(tmp_path, seed):
    """Bytes that are not as they were: read, or refused in a line."""
    path, draw = tmp_path / "a.parquet", random.Random(seed)
    frame(50).write_parquet(path)
    data = path.read_bytes()
    for _ in range(40):
        place = draw.randrange(len(data))
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :])
        try:
            build("table", skip_bad_rows=True).read(path)
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017 -- reading may succeed


def test_an_archive_of_many_folders(tmp_path):
    """Its directory is read once: four times as many folders take about four times as many calls, not sixteen."""
    calls = []
    for folders in (1_000, 4_000):
        path = tmp_path / f"{folders}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(folders):
                archive.writestr(f"d{number}/notes.xyz", "none")
        counted: Counter[str] = Counter()
        sys.setprofile(lambda _, event, __, counted=counted: counted.update([event]))
        try:
            assert build("movielens").detect(path) is None
        finally:
            sys.setprofile(None)
        calls.append(counted["call"] + counted["c_call"])

    assert 1_000 < calls[0]
    assert calls[1] < 6 * calls[0]


def test_lzma_in_an_archive(tmp_path):
    """It is read; damaged, it is refused in a line."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.csv", "user,item\n" + "".join(f"u{number},i\n" for number in range(200)))
    assert build("table").read(path).interactions.collect().height == 200

    data = bytearray(path.read_bytes())
    data[60:80] = os.urandom(20)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.zip/a\.csv is damaged or truncated; download the archive again"):
        build("table").read(path)


def test_a_size_that_the_archive_makes_up(tmp_path):
    """A member is no larger than its archive."""
    from shortstack_datasets.reading.sources import found

    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "user,item\n")
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 20  # the stored size in the central directory
    data[place : place + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)

    assert found(path, lambda files: [files.size(name) for name in files.names]) == [len(data)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_numbers_of_thousands_of_digits(tmp_path, name):
    """Python alone refuses them; in a field that is not read they say nothing, and as an id they are one."""
    digits, path = "9" * 5_000, tmp_path / name
    lines = [f'{{"user": "u", "item": {item}, "more": {digits}}}' for item in ("1", digits)]
    path.write_text("\n".join(lines) if name == "a.jsonl" else f"[{','.join(lines)}]")
    rows = build("table").read(path).interactions.collect()

    assert rows["item"].to_list() == ["1", digits]


def test_long_numbers_in_histories(tmp_path):
    """The same of JSON by user."""
    digits, path = "7" * 5_000, tmp_path / "a.json"
    path.write_text(json.dumps({"u": ["a", "b"]})[:-2] + f", {digits}]}}")
    rows = build("sequences").read(path).interactions.collect()

    assert rows["item"].to_list() == ["a", "b", digits]


SPREADSHEET = "user;item;rating;title\nu;i;4,5;Heat\n"


@pytest.mark.parametrize(
    ("text", "settings", "advice"),
    [
        (SPREADSHEET, {}, r"its fields are separated by ';': set separator = ';'"),
        (SPREADSHEET.replace(";", "\t"), {}, r"its fields are separated by '\\t': set separator = '\\t'"),
        (SPREADSHEET.replace(";", "|"), {"separator": ";"}, r"its fields are separated by '\|': set separator = '\|'"),
        ("a;b\nu;i\n", {}, "is its first line a header"),
    ],
)
def test_another_separator(tmp_path, text, settings, advice):
    """The advice names the setting, where the header then has the column."""
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=f"has no column 'user' for user; {advice}"):
        build("table", **settings).read(tmp_path / "a.csv")


def test_another_separator_of_the_items(tmp_path):
    """Which is another setting."""
    (tmp_path / "a.csv").write_text("user,item\nu,i\n")
    (tmp_path / "items.csv").write_text("item;title\ni;Heat\n")
    with pytest.raises(DataError, match="set items_separator = ';'"):
        build("table", items_file="items.csv", title="title").read(tmp_path / "a.csv")
