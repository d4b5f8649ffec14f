"""The adapter ``table`` on real layouts: parts, archives, arrays, other endings, time formats, rows to filter."""

import json
import random
import tomllib
import zipfile
from datetime import UTC, datetime

import attrs
import polars as pl
import pytest
from documents import ROOT, blocks

from shortstack.config.overrides import overridden
from shortstack.data.interactions import Interactions
from shortstack.errors import ConfigurationError, DataError, RowError, UnknownNameError
from shortstack.registry import Registry
from shortstack.run import Run
from shortstack_datasets.table import Table, TableSettings

EVENTS = (
    "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n1433224214164,992329,view,248676,\n"
    "1433227005006,992329,addtocart,248676,\n1433227005007,992329,transaction,248676,12345\n"
)
COLUMNS = {"user": "visitorid", "item": "itemid", "timestamp": "timestamp", "timestamp_unit": "ms"}
MONTH_FIRST = (
    "TRANSACTION_DT,CUSTOMER_ID,PRODUCT_ID\n11/1/2000,00000001,4710199010372\n11/2/2000,00000002,4710857472535\n"
)
RATINGS = "user,item,rating\nu,i,4\nv,j,5\n"


def rows(source, **settings):
    """Return the interactions, without columns that are all null."""
    interactions = Table(TableSettings(**settings)).read(source).interactions.collect()
    return interactions.select(
        name for name in interactions.columns if interactions[name].null_count() < len(interactions)
    ).rows()


def message(source, **settings):
    """Return the message of the error."""
    with pytest.raises(DataError) as caught:
        Table(TableSettings(**settings)).read(source)
    return str(caught.value).replace(str(source), "SOURCE")


def saved(path, text):
    """Write a file of this text, and return its path."""
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("where", "times"),
    [
        ("where.event=transaction", [1433227005007]),
        ('where.event=["addtocart", "transaction"]', [1433227005006, 1433227005007]),
        ("where.transactionid=12345", [1433227005007]),
        ("where.transactionid=12345.0", [1433227005007]),
        ('where.transactionid=""', [1433221332117, 1433224214164, 1433227005006]),
        ('where={event = "view", visitorid = 992329}', [1433224214164]),
    ],
)
@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_rows_are_chosen_by_columns(tmp_path, where, times, form):
    """Rows are selected by one or more values of one or more columns, including columns read for other reasons."""
    source = saved(tmp_path / "events.csv", EVENTS)
    if form == "json":
        pl.read_csv(source).write_json(tmp_path / "events.json")
    if form == "parquet":
        pl.read_csv(source).write_parquet(tmp_path / "events.parquet")
    adapter = Registry.from_environment().build("dataset", "table", overridden(COLUMNS, [where]))
    interactions = adapter.read(tmp_path / f"events.{form}").interactions.collect()

    assert interactions["timestamp"].to_list() == times


def test_rows_are_chosen_in_a_file_of_settings(tmp_path):
    """Row filters work from TOML, and a run's settings are read back as they were written."""
    saved(tmp_path / "events.csv", EVENTS)
    text = f"""
        [data]
        source = "{tmp_path}/events.csv"
        adapter = "table"
        [data.settings]
        user = "visitorid"
        item = "itemid"
        [data.settings.where]
        event = ["transaction"]
        [teacher]
        path = "teacher"
    """
    run = Run.from_toml(saved(tmp_path / "run.toml", text))
    adapter = Registry.from_environment().build("dataset", "table", run.data.settings)

    assert adapter.settings.where == {"event": ("transaction",)}
    assert len(adapter.read(run.data.source).interactions.collect()) == 1
    assert TableSettings(where={"event": ["transaction"]}).where == {"event": ("transaction",)}


def test_the_page_about_tables(tmp_path):
    """The page's example run parses, and the page names every setting."""
    saved(tmp_path / "events.csv", EVENTS)
    data = tomllib.loads(blocks("docs/tables.md")[0].code)["data"]
    adapter = Registry.from_environment().build("dataset", data["adapter"], data["settings"])
    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")

    assert len(adapter.read(tmp_path / data["source"]).interactions.collect()) == 2
    assert [field.name for field in attrs.fields(TableSettings) if field.name not in page] == []


def test_rows_that_are_left_out_are_not_looked_at(tmp_path):
    """Their ratings may be empty; the lines of the others are counted rightly."""
    text = 'user,item,event,rating\nu,i,view,\nu,i,buy,4\nv,j,view,none\n"w\nw",k,buy,bad\n'
    source, settings = saved(tmp_path / "a.csv", text), {"rating": "rating", "where": {"event": "buy"}}

    assert message(source, **settings) == "SOURCE:5: rating 'bad' is not a number"
    assert rows(source, **settings, skip_bad_rows=True) == [("u", "i", 4.0)]


@pytest.mark.parametrize(("written", "value"), [("true,True,1", True), ("false,False,0", False)])
def test_truth_values(tmp_path, written, value):
    """Truth values are read in upper or lower case; 1 is a number."""
    lines = "".join(f"{number},i,{text}\n" for number, text in enumerate(written.split(",")))
    source = saved(tmp_path / "a.csv", f"user,item,verified\n{lines}")
    pl.DataFrame({"user": ["a", "b"], "item": ["i", "i"], "verified": [True, False]}).write_parquet(
        tmp_path / "a.parquet"
    )

    assert [user for user, _ in rows(source, where={"verified": value})] == ["0", "1"]
    assert rows(tmp_path / "a.parquet", where={"verified": value}) == [("a" if value else "b", "i")]


def test_large_numbers_are_compared_exactly(tmp_path):
    """Large numbers are compared exactly, where floats would be equal."""
    source = saved(tmp_path / "a.csv", "user,item,shop\na,i,9007199254740993\nb,i,9007199254740992\n")

    assert rows(source, where={"shop": 9007199254740993}) == [("a", "i")]


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        (
            {"event": "transactions"},
            "SOURCE has no row where event = 'transactions'; values are compared letter by letter",
        ),
        (
            {"kind": "view"},
            "SOURCE has no column 'kind' for where.kind; it has: timestamp, visitorid, event, itemid, transactionid",
        ),
    ],
)
def test_choices_that_choose_nothing(tmp_path, where, problem):
    """Each error is one sentence."""
    assert message(saved(tmp_path / "events.csv", EVENTS), **COLUMNS, where=where) == problem


def test_choices_that_cannot_be():
    """An empty list and a table are refused as filters."""
    with pytest.raises(
        ConfigurationError, match=r"^where\.event takes a value or a list of some values, got an empty list$"
    ):
        TableSettings(where={"event": ()})
    with pytest.raises(ConfigurationError, match=r"where\.event takes a list, got \{'is': 'view'\}"):
        Registry.from_environment().build("dataset", "table", {"where": {"event": {"is": "view"}}})


def test_months_first(tmp_path):
    """A form of time by a setting; without it the value is no time."""
    source = saved(tmp_path / "a.csv", MONTH_FIRST)
    columns = {"user": "CUSTOMER_ID", "item": "PRODUCT_ID", "timestamp": "TRANSACTION_DT"}

    assert rows(source, **columns, timestamp_format="%m/%d/%Y") == [
        ("00000001", "4710199010372", 973036800000),
        ("00000002", "4710857472535", 973123200000),
    ]
    assert message(source, **columns) == "SOURCE:2: TRANSACTION_DT '11/1/2000' is not a time in seconds"
    assert message(source, **columns, timestamp_format="%d.%m.%Y") == (
        "SOURCE:2: TRANSACTION_DT '11/1/2000' is not a time of the form '%d.%m.%Y'"
    )


FORMS = (
    "%m/%d/%Y",
    "%d.%m.%y",
    "%Y%m%d",
    "%Y%m%d%H%M%S",
    "%d %b %Y",
    "%B %d, %Y",
    "%A, %d %B %Y %H:%M",
    "%a %b %d %H:%M:%S %z %Y",
    "%m/%d/%Y %I:%M %p",
    "%Y-%j",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%d/%b/%Y:%H:%M:%S %z",
    "%H:%M %d-%m-%Y",
    "%Y年%m月%d日",
    "%Y-%m-%d 100%% %H:%M UTC",
)


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_time_are_those_of_python(tmp_path, form):
    """The standard library reads the same times, from 1970 on, to the last millisecond."""
    dice = random.Random(form)
    texts = [
        datetime.fromtimestamp(dice.randrange(2_000_000_000_000) / 1_000, tz=UTC).strftime(form) for _ in range(50)
    ]
    read = [datetime.strptime(text, form) for text in texts]  # noqa: DTZ007 -- UTC is set in the next line
    expected = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in read]
    lines = "".join(f'u,i,"{text}"\n' for text in texts)
    source = saved(tmp_path / "a.csv", f"user,item,when\n{lines}")
    times = [row[2] for row in rows(source, timestamp="when", timestamp_format=form)]

    assert times == [(moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000 // 1 for moment in expected]


@pytest.mark.parametrize("form", ["%d.%m.%y", "%y-%m-%d %H:%M %z", "%%y %y%m%d"])
def test_years_of_two_digits(tmp_path, form):
    """Each is of the century that Python takes it for."""
    texts = [datetime(2000 + year, 2, 3, tzinfo=UTC).strftime(form) for year in range(100)]
    source = saved(tmp_path / "a.csv", "user,item,when\n" + "".join(f"u,i,{text}\n" for text in texts))
    years = [
        datetime.fromtimestamp(row[2] / 1_000, tz=UTC).year
        for row in rows(source, timestamp="when", timestamp_format=form)
    ]

    assert years == [datetime.strptime(text, form).year for text in texts]  # noqa: DTZ007 -- only the year is used


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"timestamp_format": "iso"}, "got 'iso': it should say year, month and day"),
        ({"timestamp_format": "%Y-%m"}, "got '%Y-%m': it should say year, month and day"),
        ({"timestamp_format": "%d %d %m %Y"}, "got '%d %d %m %Y': it should say year, month and day"),
        ({"timestamp_format": "%Y-%m-%d %H"}, "it should say hours (%H, or %I and %p) and minutes (%M), or no time of day"),
        ({"timestamp_format": "%Y-%m-%d %I:%M"}, "it should say hours (%H, or %I and %p) and minutes (%M), or no time of day"),
        ({"timestamp_format": "%Y-%m-%d %H:%M:%S,%f"}, "%f should stand behind a dot, as in %S.%f"),
        ({"timestamp_format": "%Y-%m-%d %Z"}, "%Z is none of %Y, %y, %m, %d, %j, %b, %B, %a, %A, %H, %I, %M, %S, %f, %p, %z, %%"),
        ({"timestamp_format": "%Y-%m-%d%"}, "% is none of %Y, %y, %m, %d, %j, %b, %B, %a, %A, %H, %I, %M, %S, %f, %p, %z, %%"),
        (
            {"timestamp_format": "%Y%m%d", "timestamp_unit": "ms"},
            "timestamp_format and timestamp_unit = 'ms' say two things of one column; leave one out",
        ),
    ],
)  # fmt: skip
def test_forms_that_cannot_be(settings, problem):
    """Each error is one sentence."""
    with pytest.raises(ConfigurationError) as caught:
        TableSettings(timestamp="when", **settings)

    assert str(caught.value).endswith(problem)


def test_times_of_parquet_need_no_form(tmp_path):
    """Columns of a time type are read as they are, whatever the format setting."""
    pl.DataFrame({"user": ["u"], "item": ["i"], "when": [datetime(2000, 11, 1, 5, tzinfo=UTC)]}).write_parquet(
        tmp_path / "a.parquet"
    )

    assert rows(tmp_path / "a.parquet", timestamp="when", timestamp_format="%m/%d/%Y") == [("u", "i", 973054800000)]


def test_dates_as_numbers_are_questioned(tmp_path):
    """Dates as numbers read as seconds of 1970 raise a warning; with a format they are right."""
    source = saved(tmp_path / "a.csv", "user,item,date\na,x,20200705\na,y,20200706\n")
    records = Table(TableSettings(timestamp="date")).read(source)

    assert Interactions.from_records(records, core=0).facts()["remarks"].split("; ")[0] == (
        "every time lies before 1980, the last on 1970-08-22: are they times, and in the unit or the form that is set?"
    )
    assert [row[2] for row in rows(source, timestamp="date", timestamp_format="%Y%m%d")] == [
        1593907200000,
        1593993600000,
    ]


ENTRIES = [{"user": "u", "item": 7, "stars": 4.5, "title": "é"}, {"user": "v", "item": 8, "stars": 3, "title": None}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ENTRIES),
        "\ufeff\n " + json.dumps(ENTRIES, indent=2, ensure_ascii=False),
        json.dumps(ENTRIES, separators=(",", ":")) + "\n",
    ],
)
def test_arrays_of_objects(tmp_path, text):
    """Arrays are read on one line or on many, also as the items file."""
    source = saved(tmp_path / "a.json", text)
    settings = {"rating": "stars", "items_file": "a.json", "title": "title"}
    records = Table(TableSettings(**settings)).read(source)

    assert rows(source, **settings) == [("u", "7", 4.5), ("v", "8", 3.0)]
    assert sorted(records.items.collect()["title"].to_list(), key=str) == [None, "é"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[{"user": "u", "item": "i"}, 3]', "SOURCE:2: the entry is a JSON int; each entry should be one object"),
        ('[{"user": "u", "item": "i"}, {"user": "secret", "item": ["i"]}]', "SOURCE:2: item is a JSON list; it should be a name"),
        ('[{"user": "u"}]', "SOURCE has no field 'item' for item in any entry"),
        ('[{"user": "secret", "item"]', "SOURCE begins like a JSON array, but is none (line 1, column 27: Expecting ':' delimiter)"),
        (b'[{"user": "\xe9"}]', "SOURCE begins like a JSON array, but is none: it is no UTF-8 or nested too deep"),
        ("[1]\n[2]\n", "SOURCE begins like a JSON array, but is none (line 2, column 1: Extra data)"),
    ],
)  # fmt: skip
def test_arrays_that_are_wrong(tmp_path, text, problem):
    """Each error is one sentence, without a user's id."""
    assert message(saved(tmp_path / "a.json", text)) == problem


@pytest.mark.parametrize("name", ["ratings.log", "ratings", "events.2015-06-02"])
def test_any_ending(tmp_path, name):
    """With a format set, the file name matters only for compression."""
    source = saved(tmp_path / name, RATINGS)
    pl.DataFrame({"item": ["i"], "name": ["Up"]}).write_parquet(tmp_path / "items.bin")
    settings = {
        "format": "csv",
        "items_file": "items.bin",
        "items_format": "parquet",
        "title": "name",
        "rating": "rating",
    }

    assert rows(source, **settings) == [("u", "i", 4.0), ("v", "j", 5.0)]
    assert Table(TableSettings(**settings)).read(source).items.collect()["title"].to_list() == ["Up"]
    assert Table(TableSettings(**settings)).detect(source).name == name
    assert Table(TableSettings()).detect(source) is None
    assert "say so (items_format = 'csv')" in message(source, format="csv", items_file="items.bin")


def test_formats_are_known():
    """An unknown format gets a suggestion."""
    with pytest.raises(UnknownNameError, match=r"unknown value of dataset adapter 'table'\.format: 'cvs'"):
        Registry.from_environment().build("dataset", "table", {"format": "cvs"})


def folder_of_parts(folder):
    """Write parts as a cluster does: marker files and checksums, an empty part, and a tenth that follows the second."""
    for name, text in {
        "part-2.csv": "user,item\nb,2\n",
        "part-10.csv": "item,user\n10,c\n",
        "part-1.csv": "user,item\na,1\n",
        "part-3.csv": "",
        "_SUCCESS": "",
        ".part-1.csv.crc": "\0",
        "._part-1.csv": "\0",
        "NOTES.md": "hello",
    }.items():
        saved(folder / name, text)
    return folder


def zipped(folder, path, inside=""):
    """Return the path of an archive of a folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"{inside}{file.name}")
    return path


@pytest.mark.parametrize("packed", ["folder", "zip", "a folder in a zip", "a folder in a folder"])
def test_parts(tmp_path, packed):
    """Parts are read in numerical order, columns by name; hidden files are ignored."""
    source = folder_of_parts(tmp_path / "outer" / "events.csv")
    if "zip" in packed:
        source = zipped(source, tmp_path / "events.ZIP", "data/" if packed.startswith("a") else "")
    elif packed.startswith("a"):
        source = source.parent
    adapter = Table(TableSettings())
    records = adapter.read(source)

    assert rows(source) == [("a", "1"), ("b", "2"), ("c", "10")]
    assert records.edition.facts == {"rows": 3, "parts": 3}
    assert adapter.detect(source).name == records.edition.name == source.name


@pytest.mark.parametrize("where", ["inside", "beside"])
def test_parts_with_items(tmp_path, where):
    """The items lie with the parts, and are none, or beside the source."""
    source = folder_of_parts(tmp_path / "outer" / "events")
    saved((source if where == "inside" else source.parent) / "items.csv", "item,name\n10,Ten\n")
    settings = TableSettings(items_file="items.csv", title="name")
    for path in (source, zipped(source, source.parent / "events.zip")):
        records = Table(settings).read(path)

        assert records.items.collect().select("item", "title").rows() == [("10", "Ten")]
        assert len(records.interactions.collect()) == 3


def test_parts_by_their_names(tmp_path):
    """Parts in an archive are selected by a pattern, which may match another ending or one file alone."""
    source = folder_of_parts(tmp_path / "events")
    saved(source / "movies.csv", "movie,name\n1,One\n")
    archive = zipped(source, tmp_path / "events.zip")

    assert message(archive) == f"{archive}/movies.csv has no column 'user' for user; it has: movie, name".replace(
        str(archive), "SOURCE"
    )
    assert len(rows(archive, files="part-*")) == 3
    assert rows(archive, files="part-2.csv") == [("b", "2")]
    assert message(archive, files="teil-*") == (
        "SOURCE holds no file called 'teil-*', packed or not, that is not empty; name one, or set its format"
    )


def test_parts_of_equal_numbers(tmp_path):
    """Their names decide: a folder has no order, and a set of names another one in each process."""
    names = [f"part-{'0' * zeros}1.csv" for zeros in range(8)]
    for name in names:
        saved(tmp_path / "events" / name, f"user,item\nu,{name}\n")
    records = Table(TableSettings()).read(tmp_path / "events")

    assert sorted(names) == records.interactions.collect()["item"].to_list()


def test_bad_rows_of_parts_are_named(tmp_path):
    """Bad rows are reported by part and by line within the part."""
    source = folder_of_parts(tmp_path / "events")
    saved(source / "part-4.csv", "user,item\nd,4,5\n")
    with pytest.raises(RowError, match=r"part-4\.csv:2: 3 fields, where there should be 2$"):
        Table(TableSettings()).read(source)


@pytest.mark.parametrize(
    ("others", "problem"),
    [
        ({"part-2.csv.gz": "x"}, "SOURCE holds part-2.csv twice, packed in different ways; keep one of them"),
        (
            {"a.jsonl": "{}"},
            "SOURCE holds tables of several kinds (a.jsonl and part-1.csv); say which are read (files = '*.csv')",
        ),
    ],
)
def test_parts_that_do_not_go_together(tmp_path, others, problem):
    """Duplicate or incompatible parts are refused."""
    source = folder_of_parts(tmp_path / "events")
    for name, text in others.items():
        saved(source / name, text)

    assert message(source) == problem


def test_several_tables(tmp_path):
    """Several sibling folders of parts are refused."""
    for name in ("a", "b"):
        saved(tmp_path / name / "x.csv", RATINGS)

    assert (
        message(tmp_path)
        == "SOURCE holds tables in several folders (of SOURCE/a/x.csv, SOURCE/b/x.csv); name one of them"
    )
    assert Table(TableSettings()).detect(tmp_path) is None


def test_two_columns_of_one_name(tmp_path):
    """A duplicate column name is refused if that column is read."""
    source = saved(tmp_path / "a.csv", "user,item,item,id\nu1,i1,x1,a\nu2,i2,x2,b\n")

    assert message(source) == "SOURCE has 2 columns called 'item', for item; rename one"
    assert rows(source, item="id") == [("u1", "a"), ("u2", "b")]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.zip"])
@pytest.mark.parametrize("packed", [False, True])
def test_pointers_of_git_lfs(tmp_path, name, packed):
    """Git LFS pointers are reported in place of files and archives, and within archives of whole repositories."""
    source = place = saved(tmp_path / "folder" / name, POINTER)
    if packed:
        if name == "a.zip":
            return
        source = zipped(source.parent, tmp_path / "b.zip")
        place = source / name
    with pytest.raises(DataError) as caught:
        Table(TableSettings()).read(source)

    assert str(caught.value) == (
        f"{place} is a pointer of git-lfs, not the file itself, which has 12345 bytes; run 'git lfs pull' in its repository"
    )


def test_a_carriage_return_within_a_field(tmp_path):
    """Readers differ on it, so it is a bad row, skipped on demand; between quotes it is part of the text."""
    source = saved(tmp_path / "a.csv", b'user,item,title\nu,i,a\rb\nv,j,"c\rd"\nw,k,e\r\n')

    assert message(source) == (
        "SOURCE:2: the row that starts here cannot be read: a carriage return stands within a field; lines should end with a line feed"
    )
    assert rows(source, skip_bad_rows=True) == [("v", "j"), ("w", "k")]
