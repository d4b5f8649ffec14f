"""The Netflix Prize's format, written from real MovieLens ratings and from small tables; no real Netflix data here."""

from datetime import UTC, datetime

import pytest

from shortstack.contracts import Edition, Interaction, Sample
from shortstack.errors import DataError, RowError, SourceNotFoundError

ROWS = [(1488844, 8, 3, "2005-09-06"), (822109, 8, 5, "2005-05-13"), (1488844, 17, 4, "1999-11-11")]
TITLES = {8: ("2004", "What the #$*! Do We Know!?"), 17: ("NULL", "7 Seconds"), 2: ("1983", "Rosé, Lola, & Co.")}


@pytest.fixture
def adapter(registry):
    """The adapter."""
    return registry.build("dataset", "netflix-prize")


@pytest.fixture
def small(tmp_path, write_netflix):
    """A folder with three ratings of two movies, a title without a year, and an unrated one with commas."""
    return write_netflix(tmp_path / "netflix", ROWS, TITLES)


def test_small_table(adapter, small):
    """Every value where it belongs: ids as text, days as midnight UTC, titles with their year and commas."""
    records = adapter.read(small)

    assert records.interactions.collect().rows() == [
        (str(user), str(movie), float(rating), int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000)
        for user, movie, rating, day in ROWS
    ]
    assert records.items.collect().rows() == [
        ("8", "What the #$*! Do We Know!? (2004)", None, None),
        ("17", "7 Seconds", None, None),
        ("2", "Rosé, Lola, & Co. (1983)", None, None),
    ]
    assert records.edition == Edition(name="netflix-prize-part", facts={"ratings": 3, "movies": 2})


def test_writes_a_sample(third_parties, tmp_path):
    """A block a movie; a title with a year is cut in two; what is bad stands as it is."""
    sample = Sample(
        rows=[
            Interaction(user="5", item="8", rating=4.0, timestamp=86_400_000),
            Interaction(user="6", item="17", rating="x", timestamp="soon"),
            Interaction(user="7", item="8", rating=1.0, timestamp=0),
        ],
        titles={"17": "7 Seconds (2005)", "8": "Rosé, Lola, & Co."},
    )

    assert third_parties("netflix-prize").DESCRIPTOR.write(None, sample, tmp_path) == tmp_path
    assert (tmp_path / "combined_data_1.txt").read_text("utf-8") == (
        "8:\n5,4,1970-01-02\n7,1,1970-01-01\n17:\n6,x,soon\n"
    )
    assert (tmp_path / "movie_titles.csv").read_text("latin-1") == "17,2005,7 Seconds\n8,NULL,Rosé, Lola, & Co.\n"


def test_detect_counts_without_parsing(adapter, small):
    """Detecting gives the same edition as reading."""
    assert adapter.detect(small) == adapter.read(small).edition


@pytest.mark.parametrize("layout", ["combined", "training_set"])
def test_real_ratings_come_back(adapter, tmp_path, write_netflix, demo, layout):
    """Thousands of real ratings, in both layouts, are what was written."""
    rows, titles = demo
    folder = write_netflix(tmp_path / "netflix", rows, titles, layout)
    records = adapter.read(folder)
    ratings = records.interactions.collect()
    days = ratings["timestamp"].cast(int).to_list()
    back = [
        (user, movie, int(rating), datetime.fromtimestamp(day / 1000, tz=UTC).date().isoformat())
        for (user, movie, rating, _), day in zip(ratings.rows(), days, strict=True)
    ]

    assert len(rows) > 5_000
    assert sorted(back) == sorted(rows)
    assert adapter.detect(folder) == records.edition
    assert records.items.collect().height == len(titles)


def test_the_whole_prize_by_its_counts(third_parties):
    """The published numbers of ratings and movies make it the whole."""
    assert third_parties("netflix-prize")._edition(100_480_507, 17_770).name == "netflix-prize"


def test_titles_txt_and_windows_lines(adapter, small):
    """The other name of the titles, and lines that end in CR LF."""
    (small / "movie_titles.csv").rename(small / "movie_titles.txt")
    for path in small.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    records = adapter.read(small)

    assert len(records.interactions.collect()) == 3
    assert records.items.collect()["title"].to_list()[1] == "7 Seconds"


def test_not_there(adapter, tmp_path):
    """A folder that does not exist is no edition."""
    missing = tmp_path / "missing"

    assert adapter.detect(missing) is None
    with pytest.raises(SourceNotFoundError, match=r"missing is not there; give the folder with movie_titles\.csv"):
        adapter.read(missing)


def test_something_else(adapter, tmp_path):
    """A folder of other files is refused."""
    assert adapter.detect(tmp_path) is None
    with pytest.raises(
        DataError, match=r"is no Netflix Prize: it should be a folder with movie_titles\.csv \(or \.txt\)"
    ):
        adapter.read(tmp_path)


def test_both_layouts(adapter, small, write_netflix):
    """Reading both would count every rating twice."""
    write_netflix(small, ROWS, TITLES, "training_set")

    assert adapter.detect(small) is None
    with pytest.raises(DataError, match="holds the ratings twice"):
        adapter.read(small)


@pytest.mark.parametrize("name", ["combined_data_2.txt", "movie_titles.csv"])
def test_empty_file(adapter, small, name):
    """An empty file is refused."""
    (small / name).write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=f"{name} is empty"):
        adapter.read(small)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1488844,6,2005-09-06", "rating '6' is not a whole number from 1 to 5"),
        ("1488844,,2005-09-06", "rating '' is not a whole number from 1 to 5"),
        ("1488844,3,2005-02-29", "date '2005-02-29' is not a date such as 2005-09-06"),
        ("1488844,3,2005-9-6", "date '2005-9-6' is not a date such as 2005-09-06"),
        ("1488844x,3,2005-09-06", "user is not a whole number"),
        ("1488844,3", "the line is neither 'movie:' nor 'user,rating,date'"),
        ("1488844,3,2005-09-06,9", "the line is neither 'movie:' nor 'user,rating,date'"),
        ("", "the line is neither 'movie:' nor 'user,rating,date'"),
        ("eight:", "movie 'eight' is not a whole number"),
    ],
)
def test_bad_rating(adapter, small, line, problem):
    """The second line of a file is bad: file, line, column, value; never a user."""
    path = small / "combined_data_1.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], line, *lines[1:]]) + "\n", encoding="utf-8")
    with pytest.raises(RowError) as error:
        adapter.read(small)

    assert str(error.value) == f"{path}:2: {problem}"
    assert error.value.__cause__ is None
    assert "1488844" not in str(error.value).removeprefix(str(path))


def test_rating_without_movie(adapter, small):
    """A file must begin with a movie; the first bad line is reported, not the last."""
    (small / "combined_data_1.txt").write_text("1,3,2005-09-06\n2,9,2005-09-06\n", encoding="utf-8")
    with pytest.raises(RowError, match=r"combined_data_1\.txt:1: a rating comes before the first line 'movie:'"):
        adapter.read(small)


def test_bad_line_of_a_later_small_file(adapter, tmp_path, write_netflix):
    """Small files are read together, but each counts its own lines and begins with its own movie."""
    folder = write_netflix(tmp_path / "netflix", ROWS, TITLES, "training_set")
    last = folder / "training_set" / "mv_0000017.txt"
    last.write_text("17:\n5,5,2005-01-01\n6,0,2005-01-01\n", encoding="utf-8")
    with pytest.raises(RowError, match=r"mv_0000017\.txt:3: rating '0' is not a whole number from 1 to 5"):
        adapter.read(folder)
    last.write_text("5,5,2005-01-01\n", encoding="utf-8")
    with pytest.raises(RowError, match=r"mv_0000017\.txt:1: a rating comes before the first line 'movie:'"):
        adapter.read(folder)


def test_bytes_that_are_no_text(adapter, small):
    """A damaged byte is a bad value, not a crash."""
    path = small / "combined_data_1.txt"
    path.write_bytes(path.read_bytes().replace(b",3,", b",\xff,"))
    with pytest.raises(RowError, match=r"txt:2: rating '\ufffd' is not a whole number from 1 to 5"):
        adapter.read(small)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("5,2004", "there are fewer than the three fields movie,year,title"),
        ("five,2004,Five", "movie 'five' is not a whole number"),
        ("17,2005,7 Seconds again", "movie '17' is listed twice"),
        ("5,04,Five", "year '04' is not a year, or NULL"),
    ],
)
def test_bad_title(adapter, small, line, problem):
    """The fourth line of the titles is bad."""
    path = small / "movie_titles.csv"
    path.write_bytes(path.read_bytes() + f"{line}\n".encode())
    with pytest.raises(RowError) as error:
        adapter.read(small)

    assert str(error.value) == f"{path}:4: {problem}"
