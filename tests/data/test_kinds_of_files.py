"""A file that is not what its name says: one line says what it is by its first bytes, and what to do."""

import bz2
import gzip
import io
import lzma
import zipfile

import polars as pl
import pytest
from sources import build, put, rows

from shortstack.batch.user_files import read_users, require_readable
from shortstack.contracts.first_bytes import kind_by_first_bytes
from shortstack.errors import DataError
from shortstack.scoring.texts import read_examples

TEXT = "user,item\nu1,i1\n"
FRAME = pl.DataFrame({"user": ["u1"], "item": ["i1"]})


def parquet():
    """A Parquet file, as polars writes it."""
    FRAME.write_parquet(file := io.BytesIO())
    return file.getvalue()


def zipped(**members):
    """A zip archive with these members, in this order."""
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()


BYTES = {
    "a gzip file": gzip.compress(TEXT.encode()),
    "a bzip2 file": bz2.compress(TEXT.encode()),
    "a zip archive": zipped(**{"ratings.csv": TEXT}),
    "a Parquet file": parquet(),
    # as Excel and LibreOffice order their members
    "an Excel workbook": zipped(**{"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"}),
    # OpenDocument 1.2, part 3, 3.3: its type comes first, not compressed
    "an OpenDocument sheet": zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"),
    "an xz file": lzma.compress(TEXT.encode()),
    "a text": TEXT.encode(),
    "UTF-16": TEXT.encode("utf-16"),
    "an HTML page": b"\n<!DOCTYPE html>\n<html><body>Not found</body></html>",
}


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "dat", "json", "jsonl"])
@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("a gzip file", "rename it to ratings.{}.gz"),
        ("a bzip2 file", "rename it to ratings.{}.bz2"),
        ("a zip archive", "rename it to ratings.{}.zip"),
        ("a Parquet file", "rename it to ratings.parquet, or write it as a text"),
        ("an Excel workbook", "save it as CSV in the program that made it"),
        ("an OpenDocument sheet", "save it as CSV in the program that made it"),
        ("an xz file", "unpack it"),
        ("an HTML page", "download the file itself"),
    ],
)
def test_what_is_no_text(tmp_path, ending, kind, remedy):
    """Whatever ending of a text it has."""
    path = put(tmp_path, **{f"ratings.{ending}": BYTES[kind]}) / f"ratings.{ending}"

    with pytest.raises(DataError) as caught:
        build("table").read(path)
    assert f"{path} is {kind} by its first bytes, not a text; {remedy.format(ending)}" == str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("a.csv.gz", "a text", "is a text by its first bytes, not a gzip file; rename it to a.csv"),
        ("a.csv.bz2", "a text", "is a text by its first bytes, not a bzip2 file; rename it to a.csv"),
        ("a.csv.gz", "a zip archive", "is a zip archive by its first bytes, not a gzip file; rename it to a.csv.zip"),
        ("a.parquet.gz", "a Parquet file", "is a Parquet file by its first bytes, not a gzip file; rename it to a.parquet, or write it as a text"),
        ("a.zip", "a text", "is a text by its first bytes, not a zip archive; rename it to a"),
        ("a.parquet", "a text", "is a text by its first bytes, not a Parquet file; rename it to a.csv, or as its format ends"),
        ("a.parquet", "UTF-16", "is UTF-16 by its first bytes, not a Parquet file; rename it to a.csv, or as its format ends"),
        ("a.pq", "a gzip file", "is a gzip file by its first bytes, not a Parquet file; rename it to a.pq.gz"),
        ("a.csv", "UTF-16", "is UTF-16; write it as UTF-8, for example: iconv -f UTF-16 -t UTF-8 OLD > NEW"),
    ],
)  # fmt: skip
def test_what_is_not_packed_as_its_name_says(tmp_path, name, kind, message):
    """The reverse: plain under the ending of a packing, and a text called Parquet."""
    path = tmp_path / name
    path.write_bytes(BYTES[kind])

    with pytest.raises(DataError) as caught:
        build("table").read(path)
    assert f"{path} {message}" == str(caught.value)


@pytest.mark.parametrize(("inner", "remedy"), [("a Parquet file", "rename it to a.parquet.gz, or write it as a text"), ("a gzip file", "unpack it")])  # fmt: skip
def test_what_is_within_a_packing(tmp_path, inner, remedy):
    """What is unpacked is looked at too."""
    path = put(tmp_path, **{"a.csv.gz": BYTES[inner]}) / "a.csv.gz"

    with pytest.raises(DataError) as caught:
        build("table").read(path)
    assert str(caught.value).endswith(remedy)


@pytest.mark.parametrize("renamed", ["ratings.csv.gz", "ratings.csv.bz2", "ratings.csv.zip", "ratings.parquet"])
def test_the_remedy_works(tmp_path, renamed):
    """The same bytes, under the name in the message, are read."""
    kinds = {"gz": "a gzip file", "bz2": "a bzip2 file", "zip": "a zip archive", "parquet": "a Parquet file"}
    path = tmp_path / renamed
    path.write_bytes(BYTES[kinds[renamed.rpartition(".")[2]]])

    assert rows(build("table").read(path)) == [("u1", "i1", None, None)]


@pytest.mark.parametrize(
    ("adapter", "name"),
    [
        ("movielens", "ratings.csv"),
        ("sequences", "a.txt"),
        ("recbole", "a.inter"),
        ("amazon-reviews", "Books.csv"),
        ("yelp", "yelp_academic_dataset_review.json"),
        ("lastfm", "user_artists.dat"),
        ("mind", "behaviors.tsv"),
    ],
)
def test_every_adapter(tmp_path, adapter, name):
    """In one place, where files are opened; companions that some need are there."""
    companions = {
        "movies.csv": "movieId,title,genres\n1,x,y\n",
        "artists.dat": "id\tname\n1\tx\n",
        "news.tsv": "N1\t\t\t\t\t\t\t\n",
    }
    put(tmp_path, **companions if adapter in {"movielens", "lastfm", "mind"} else {}, **{name: BYTES["a gzip file"]})

    with pytest.raises(
        DataError, match=rf"{name} is a gzip file by its first bytes, not a text; rename it to {name}\.gz$"
    ):
        build(adapter).read(tmp_path)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("u.csv", "a gzip file", "is a gzip file by its first bytes, not a text; unpack it"),
        ("u.jsonl", "a zip archive", "is a zip archive by its first bytes, not a text; unpack it"),
        ("u.csv", "a Parquet file", "is a Parquet file by its first bytes, not a text; rename it to u.parquet, or write it as a text"),
        ("u.parquet", "an Excel workbook", "is an Excel workbook by its first bytes, not a Parquet file; save it as CSV in the program that made it"),
    ],
)  # fmt: skip
def test_files_of_users(tmp_path, name, kind, message):
    """Before anything is computed."""
    path = tmp_path / name
    path.write_bytes(BYTES[kind])

    for look in (require_readable, lambda file: list(read_users(file))):
        with pytest.raises(DataError) as caught:
            look(path)
        assert f"{path} {message}" == str(caught.value)


def test_files_of_texts(tmp_path):
    """For ``shortstack score``, too."""
    path = tmp_path / "texts.jsonl"
    path.write_bytes(BYTES["a gzip file"])

    with pytest.raises(DataError, match=r"texts\.jsonl is a gzip file by its first bytes, not a text; unpack it$"):
        read_examples(path, None, 8, 8)


@pytest.mark.parametrize("text", ["PAR1,item\nu1,i1\n", "BZh9,item\nu1,i1\n", "caf\xe9,item\nu1,i1\n", "a\x01b\n", ""])
def test_texts_that_begin_like_something_else(text):
    """A name in a header is no signature; what is not recognised is left to the reader."""
    assert kind_by_first_bytes(text.encode("latin-1")) in {"a text", None}


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"\xef\xbb\xbf<html>", "an HTML page"),
        (b"  <!DOCTYPE html>", "an HTML page"),
        (b"<HTML5 Cookbook>,1\n", "a text"),
        (b"\xef\xbb\xbfuser,item\n", "a text"),
    ],
)
def test_pages_and_titles(beginning, kind):
    """A page may have a byte order mark, and a title may look like a tag."""
    assert kind_by_first_bytes(beginning) == kind


def test_a_pointer_of_git_lfs_among_users(tmp_path):
    """It is called what it is, not a text to rename."""
    path = tmp_path / "users.parquet"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12\n")
    with pytest.raises(DataError, match="git lfs pull"):
        require_readable(path)
