"""A CSV that begins with Excel's line ``sep=;``: it sets the separator, is no header, and counts as a line."""

import pytest
from sources import REGISTRY, build, put, rows

from shortstack.batch.user_files import read_users
from shortstack.errors import RowError

ROWS = [("u1", "i1", 4.5, None), ("u2", "i2", 3.0, None)]


def text(separator, line="sep={}\r\n"):
    """Two ratings under the line, with these ends of lines."""
    end = "\r\n" if "\r\n" in line else "\r" if "\r" in line else "\n"
    plain = f"user,item,rating{end}u1,i1,4.5{end}u2,i2,3{end}"
    return line.format(separator) + plain.replace(",", separator)


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize(
    "line", ["sep={}\r\n", "sep={}\n", "SEP={}\r\n", '"sep={}"\r\n', "\ufeffsep={}\r\n", "sep={}\r"]
)
def test_tables(tmp_path, separator, line):
    """Whatever the line's form, and without any setting."""
    source = put(tmp_path, **{"a.csv": text(separator, line)}) / "a.csv"

    assert rows(build("table", rating="rating").read(source)) == ROWS


def test_the_line_counts_over_the_setting(tmp_path):
    """As in Excel; and in a gzip file."""
    source = put(tmp_path, **{"a.csv.gz": text(";")}) / "a.csv.gz"

    assert rows(build("table", rating="rating", separator=",").read(source)) == ROWS


def test_without_a_header(tmp_path):
    """The line is not the first row."""
    source = put(tmp_path, **{"a.csv": "sep=;\nu1;i1\n"}) / "a.csv"

    assert rows(build("table", user="1", item="2", header=False).read(source)) == [("u1", "i1", None, None)]


def test_errors_name_the_line_of_the_file(tmp_path):
    """The line itself is the first."""
    source = put(tmp_path, **{"a.csv": text(";").replace("u2;i2;3", "u2;i2;x")}) / "a.csv"

    with pytest.raises(RowError, match=r"a\.csv:4: rating 'x' is not a number$"):
        build("table", rating="rating").read(source)


def test_movielens(tmp_path):
    """Adapters whose format has no setting, too."""
    ratings = "sep=,\nuserId,movieId,rating,timestamp\n1,1,4,86400\n"
    put(tmp_path, **{"ratings.csv": ratings, "movies.csv": "sep=;\nmovieId;title;genres\n1;Heat, or so;Crime\n"})

    assert rows(build("movielens").read(tmp_path)) == [("1", "1", 4.0, 1)]


def test_init_proposes_no_separator(tmp_path):
    """The file says it."""
    source = put(tmp_path, **{"a.csv": text(";")}) / "a.csv"
    descriptor = next(c.descriptor for c in REGISTRY.components if c.kind == "dataset" and c.descriptor.name == "table")

    assert descriptor.propose(source) == {"user": "user", "item": "item", "rating": "rating"}


@pytest.mark.parametrize("line", ["sep=;\n", "\ufeffsep=;\r\n"])
def test_files_of_users(tmp_path, line):
    """Rows are counted as lines of the file."""
    path = tmp_path / "u.csv"
    path.write_bytes(f"{line}user;items\nu1;i1 i2\nu2;i3;x\n".encode())
    users = read_users(path)

    assert ("u1", ("i1", "i2"), 3) == ((one := next(users)).user, one.items, one.row)
    with pytest.raises(RowError, match=r"u\.csv:4: there are 3 fields, but 2 columns$"):
        next(users)


def test_a_column_of_that_name(tmp_path):
    """More than one character behind it is a header."""
    source = put(tmp_path, **{"a.csv": "sep=a,item\nu1,i1\n"}) / "a.csv"

    assert rows(build("table", user="sep=a").read(source)) == [("u1", "i1", None, None)]
