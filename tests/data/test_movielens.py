"""The adapter ``movielens``: on files written here in every layout, on real ones, and on broken ones."""

import importlib
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shortstack_datasets
from shortstack.contracts import DatasetAdapter, DatasetDescriptor, Interaction, Sample
from shortstack.data.interactions import Interactions
from shortstack.errors import DataError, RowError, SourceNotFoundError
from shortstack_datasets import movielens

RATINGS = [("1", "10", 5.0, 978300760), ("1", "20", 3.0, 978300761), ("2", "10", 4.0, 978300762)]
MOVIES = [
    ("10", "Misérables, Les (1995)", "Drama|Musical"),
    ("20", "Alien: Part 3, The (1979)", "Sci-Fi"),
    ("30", "X", ""),
]
ADAPTER = movielens.MovieLens()


def tab(folder, ratings=RATINGS):
    """Write files in the format of ml-100k."""
    folder.mkdir(exist_ok=True)
    lines = ["\t".join([u, i, f"{r:g}", str(t)]) for u, i, r, t in ratings]
    (folder / "u.data").write_text("\n".join(lines) + "\n")
    flags = [
        "|".join([i, title, "01-Jan-1995", "", "http://x", *("01"[g in genres.split("|")] for g in movielens.GENRES)])
        for i, title, genres in MOVIES
    ]
    (folder / "u.item").write_bytes("\n".join(flags).encode("latin-1"))
    return folder


def dat(folder, encoding="latin-1", ratings=RATINGS):
    """Write files in the format of ml-1m (latin-1) or ml-10m (UTF-8)."""
    folder.mkdir(exist_ok=True)
    (folder / "ratings.dat").write_text("".join(f"{u}::{i}::{r:g}::{t}\n" for u, i, r, t in ratings))
    (folder / "movies.dat").write_bytes("".join(f"{'::'.join(movie)}\n" for movie in MOVIES).encode(encoding))
    return folder


def csv(folder, newline="\r\n", ratings=RATINGS):
    """Write files in the format of latest-small, 20M, 25M and 32M."""
    folder.mkdir(exist_ok=True)
    lines = ["userId,movieId,rating,timestamp", *(f"{u},{i},{r},{t}" for u, i, r, t in ratings)]
    (folder / "ratings.csv").write_text(newline.join(lines) + newline, newline="")
    movies = [f'{i},"{title}",{genres or "(no genres listed)"}' for i, title, genres in MOVIES]
    (folder / "movies.csv").write_text(newline.join(["movieId,title,genres", *movies]) + newline, "utf-8", newline="")
    return folder


LAYOUTS = {
    "tab": (tab, "movielens-tab"),
    "dat latin-1": (dat, "movielens-dat"),
    "dat UTF-8": (lambda folder: dat(folder, "utf-8"), "movielens-dat"),
    "csv CRLF": (csv, "movielens-csv"),
    "csv LF": (lambda folder: csv(folder, "\n"), "movielens-csv"),
}


def zipped(folder, archive, nested):
    """Put the folder's files into an archive, under a folder or at the root."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for entry in sorted(folder.iterdir()):
            file.write(entry, f"{folder.name}/{entry.name}" if nested else entry.name)
    return archive


def assert_expected(source, edition):
    """Assert that the three ratings and three movies were read, whatever the format."""
    records = ADAPTER.read(source)

    assert ADAPTER.detect(source) == records.edition
    assert (records.edition.name, records.edition.facts) == (edition, {"ratings": 3})
    assert records.interactions.collect().rows() == [(u, i, r, t * 1000) for u, i, r, t in RATINGS]
    assert records.items.collect().rows() == [(i, title, genres or None, None) for i, title, genres in MOVIES]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("place", ["folder", "parent", "zip", "nested zip", "folder of zip"])
def test_reads_every_layout_from_everywhere(tmp_path, layout, place):
    """A folder, a folder that holds it, a zip with or without a folder inside, a folder that holds the zip."""
    write, edition = LAYOUTS[layout]
    folder = write(tmp_path / "ml")
    holder = tmp_path / "holder"
    holder.mkdir()
    source = {
        "folder": lambda: folder,
        "parent": lambda: folder.rename(holder / "ml").parent,
        "zip": lambda: zipped(folder, tmp_path / "a.zip", nested=False),
        "nested zip": lambda: zipped(folder, tmp_path / "a.zip", nested=True),
        "folder of zip": lambda: zipped(folder, holder / "a.zip", nested=True).parent,
    }[place]()

    assert_expected(source, edition)
    assert_expected(str(source), edition)


@pytest.mark.parametrize("layout", movielens.LAYOUTS, ids=lambda layout: layout.name)
def test_editions_are_told_by_counting(layout):
    """Editions are recognised by their published numbers of ratings, whatever the folder is called."""
    for count, name in layout.editions.items():
        assert movielens._edition(layout, count).name == name


@pytest.mark.parametrize(
    ("folder", "edition", "sizes"),
    [
        ("ml-100k", "ml-100k", (943, 1_682, 100_000, 1_682)),
        ("ml-latest-small-2016", "ml-latest-small-2016", (671, 9_066, 100_004, 9_125)),
        ("ml-latest-small-2016/ml-latest-small.zip", "ml-latest-small-2016", (671, 9_066, 100_004, 9_125)),
        ("ml-1m-sample100k", "movielens-dat", (5_958, 3_312, 100_000, 3_883)),
    ],
)
def test_real_files_have_the_published_sizes(shared_data, folder, edition, sizes):
    """Users, items, ratings and listed movies as in the README beside the files; titles are decoded."""
    records = ADAPTER.read(shared_data / "movielens" / folder)
    made = Interactions.from_records(records, core=0)
    movies = records.items.collect()

    assert ADAPTER.detect(shared_data / "movielens" / folder) == records.edition
    assert records.edition.name == edition
    assert (len(made.users), len(made.items), len(made), len(movies)) == sizes
    assert movies["title"].null_count() == 0
    assert movies["title"].str.contains("Misérables").any()


def test_real_ties_are_as_published(shared_data):
    """51.0 % of ml-100k's consecutive events tie, 22.0 % of latest-small's."""
    sources = (shared_data / "movielens" / name for name in ("ml-100k", "ml-latest-small-2016"))
    facts = (Interactions.from_records(ADAPTER.read(source), core=0).facts() for source in sources)

    assert [fact["tied_consecutive_share"] for fact in facts] == pytest.approx([0.510, 0.220], abs=0.0005)


def replaced(path, old, new):
    """Corrupt a file."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize(
    ("write", "name", "change", "problem"),
    [
        (tab, "u.data", (b"1\t20\t3", b"1\t20\tx"), "2: rating 'x' is not a number"),
        (dat, "ratings.dat", (b"20::3", b"20::nan"), "2: rating 'nan' is not a number"),
        (csv, "ratings.csv", (b"1,20,3.0", b"1,20,x"), "3: rating 'x' is not a number"),
        (csv, "ratings.csv", (b"1,20,3.0", b"1,2b,3.0"), "3: movieId '2b' is not a whole number"),
        (csv, "ratings.csv", (b"1,20,3.0", b"1,,3.0"), "3: movieId is empty; it should be a whole number"),
        (csv, "ratings.csv", (b"1,20,3.0", b"secret,20,3.0"), "3: userId is not a whole number"),
        (csv, "ratings.csv", (b"978300761", b"soon"), "3: timestamp 'soon' is not a time in seconds"),
        (csv, "ratings.csv", (b",978300761", b""), "3: 3 fields, where there should be 4"),
        (csv, "ratings.csv", (b",978300760", b",978300760,9"), "2: 5 fields, where there should be 4"),
        (csv, "ratings.csv", (b"978300760\r\n", b"978300760\r\n\r\n"), "3: 0 fields, where there should be 4"),
        (dat, "ratings.dat", (b"1::20::3", b"1:20::3"), "2: 3 fields, where there should be 4"),
        (dat, "ratings.dat", (b"20::3", b"20::\xff"), "2: byte 0xff is not UTF-8; write the file as UTF-8"),
        (csv, "movies.csv", ("é".encode(), b"\xe9"), "2: byte 0xe9 is not UTF-8; write the file as UTF-8"),
        (csv, "movies.csv", (b",Sci-Fi", b""), "3: 2 fields, where there should be 3"),
        (csv, "movies.csv", (b'Part 3, The (1979)"', b"Part 3"), """3: the row that starts here cannot be read: ',' expected after '"'"""),
        (dat, "movies.dat", (b"20::A", b"20:A"), "2: 2 fields, where there should be 3"),
        (tab, "u.item", (b"20|", b""), "2: 23 fields, where there should be 24"),
    ],
)  # fmt: skip
def test_bad_lines_are_named(tmp_path, write, name, change, problem):
    """A bad row is reported with file, line, column and value; for users with the line only."""
    folder = write(tmp_path / "ml")
    replaced(folder / name, *change)
    with pytest.raises(RowError) as caught:
        ADAPTER.read(folder)

    assert str(caught.value) == f"{folder / name}:{problem}"


@given(st.integers(0, 199), st.sampled_from([1, 2, 3]), st.sampled_from(["x", "1e", "--", "nan", "1;2"]))
def test_any_one_corrupt_row_is_found(tmp_path_factory, row, column, value):
    """Any single corrupt row of 200 is reported, in any column but the user's."""
    rows = [[str(n % 7), str(n % 11), "4", str(978300760 + n)] for n in range(200)]
    rows[row][column] = value
    folder = dat(tmp_path_factory.mktemp("ml"))
    (folder / "ratings.dat").write_text("".join("::".join(fields) + "\n" for fields in rows))
    with pytest.raises(RowError) as caught:
        ADAPTER.read(folder)

    name = ("user", "item", "rating", "timestamp")[column]
    assert str(caught.value).startswith(f"{folder / 'ratings.dat'}:{row + 1}: {name} {value!r} is not a ")


def test_a_bad_line_in_a_zip_is_named_with_its_member(tmp_path):
    """A bad line is reported with the archive's path, then the member's."""
    folder = csv(tmp_path / "ml")
    replaced(folder / "ratings.csv", b"3.0", b"x")
    archive = zipped(folder, tmp_path / "a.zip", nested=True)
    with pytest.raises(RowError) as caught:
        ADAPTER.read(archive)

    assert str(caught.value) == f"{archive}/ml/ratings.csv:3: rating 'x' is not a number"


def test_missing_column_is_named(tmp_path):
    """The error names the missing column and the existing ones."""
    folder = csv(tmp_path / "ml")
    replaced(folder / "ratings.csv", b"rating,", b"stars,")
    with pytest.raises(DataError) as caught:
        ADAPTER.read(folder)

    assert str(caught.value) == (
        f"{folder / 'ratings.csv'} has no column 'rating' for rating; it has: userId, movieId, stars, timestamp"
    )


def test_missing_source_is_named(tmp_path):
    """The error names the missing source."""
    with pytest.raises(SourceNotFoundError) as caught:
        ADAPTER.read(tmp_path / "nowhere")

    assert str(caught.value) == f"{tmp_path / 'nowhere'} is not there; give a folder or a zip archive"
    assert ADAPTER.detect(tmp_path / "nowhere") is None


@pytest.mark.parametrize("content", ["folder", "file"])
def test_another_data_set_is_refused(tmp_path, content):
    """A folder of something else, and a file that is no archive."""
    (tmp_path / "user_artists.dat").write_text("userID\tartistID\tweight\n")
    source = tmp_path if content == "folder" else tmp_path / "user_artists.dat"
    with pytest.raises(DataError) as caught:
        ADAPTER.read(source)

    assert ADAPTER.detect(source) is None
    assert str(caught.value) == (
        f"{source} is no MovieLens data set: it should hold u.data and u.item, or ratings.dat and movies.dat, or "
        "ratings.csv and movies.csv"
    )


def test_several_data_sets_are_refused(tmp_path):
    """Several data sets in one folder are ambiguous, so this is an error."""
    first, second = csv(tmp_path / "a"), dat(tmp_path / "b")
    with pytest.raises(DataError) as caught:
        ADAPTER.read(tmp_path)

    assert ADAPTER.detect(tmp_path) is None
    assert str(caught.value) == (
        f"{tmp_path} holds several MovieLens data sets ({first / 'ratings.csv'}, {second / 'ratings.dat'}); "
        "name one of them"
    )


@pytest.mark.parametrize("act", ["detect", "read"])
def test_a_truncated_zip_is_named(tmp_path, act):
    """A truncated archive is named."""
    archive = zipped(csv(tmp_path / "ml"), tmp_path / "a.zip", nested=True)
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(DataError) as caught:
        getattr(ADAPTER, act)(archive)

    assert str(caught.value) == f"{archive} is truncated or no zip archive; download it again"


def test_a_damaged_member_is_named(tmp_path):
    """A damaged member of an intact archive is named."""
    archive = zipped(csv(tmp_path / "ml"), tmp_path / "a.zip", nested=False)
    replaced(archive, archive.read_bytes()[120:160], b"\0" * 40)
    with pytest.raises(DataError) as caught:
        ADAPTER.read(archive)

    assert "is damaged or truncated; download the archive again" in str(caught.value)


def test_a_zip_without_its_first_bytes_is_named(tmp_path):
    """The first member's offset is negative, for which Python's zipfile raises "invalid argument"."""
    archive = zipped(csv(tmp_path / "ml"), tmp_path / "a.zip", nested=False)
    archive.write_bytes(archive.read_bytes()[3:])
    with pytest.raises(DataError) as caught:
        ADAPTER.read(archive)

    assert str(caught.value) == f"{archive}/movies.csv is damaged or truncated; download the archive again"


def test_a_zip_that_may_not_be_read(tmp_path, monkeypatch):
    """A permission error is not reported as damage."""

    def refused(_path):
        raise PermissionError(13, "Permission denied")

    archive = zipped(csv(tmp_path / "ml"), tmp_path / "a.zip", nested=False)
    monkeypatch.setattr(zipfile, "ZipFile", refused)
    with pytest.raises(DataError, match=r"a\.zip cannot be read: Permission denied"):
        ADAPTER.read(archive)


def test_a_damaged_member_cannot_be_counted(tmp_path):
    """Detecting counts lines, and says the same as reading."""
    archive = tmp_path / "a.zip"
    folder = csv(tmp_path / "ml")
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("ratings.csv", "movies.csv"):
            file.write(folder / name, name)
    replaced(archive, b"1,20,3.0", b"1,20,4.0")
    with pytest.raises(DataError) as caught:
        ADAPTER.detect(archive)

    assert str(caught.value) == f"{archive}/ratings.csv is damaged or truncated; download the archive again"


def test_writes_a_sample(tmp_path):
    """A sample is written in the layout of the current editions."""
    sample = Sample(
        rows=[
            Interaction(user="1", item="10", rating=5.0, timestamp=978_307_200_000),
            Interaction(user="1", item="20", rating="x", timestamp="y"),
        ],
        titles={"10": "Misérables, Les (1995)", "30": "X"},
        categories={"10": "Drama"},
    )

    assert movielens.DESCRIPTOR.write(movielens.DESCRIPTOR.config(), sample, tmp_path) == tmp_path
    assert (tmp_path / "ratings.csv").read_text("utf-8") == (
        "userId,movieId,rating,timestamp\n1,10,5.0,978307200\n1,20,x,y\n"
    )
    assert (tmp_path / "movies.csv").read_text("utf-8") == (
        'movieId,title,genres\n10,"Misérables, Les (1995)",Drama\n30,X,(no genres listed)\n'
    )


def test_an_empty_file_is_named(tmp_path):
    """An empty file is named."""
    folder = dat(tmp_path / "ml")
    (folder / "ratings.dat").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        ADAPTER.read(folder)

    assert str(caught.value) == f"{folder / 'ratings.dat'} is empty"


def test_the_plugin_declares_all_adapters():
    """Descriptors build adapters of the contract."""
    descriptors = list(shortstack_datasets.shortstack_datasets())

    assert [descriptor.name for descriptor in descriptors] == [
        "movielens",
        "amazon-reviews",
        "lastfm",
        "mind",
        "yelp",
        "recbole",
        "sequences",
        "prepared",
        "table",
    ]
    for descriptor in descriptors:
        assert isinstance(descriptor, DatasetDescriptor)
        assert isinstance(descriptor.build(descriptor.config()), DatasetAdapter)


def test_listing_imports_nothing_heavy():
    """The plugin's modules stay light until something is read."""
    for name in ("shortstack_datasets", "shortstack_datasets.movielens", "shortstack_datasets.table"):
        source = importlib.import_module(name).__dict__
        assert not {"pl", "polars", "torch"} & set(source)
