"""Correct adapters: the built-in ones under many settings and in many layouts, and others in styles of their own."""

import csv
import io
import json
import zipfile

import attrs

from mutants.datasets.by_user import BY_USER
from mutants.datasets.databases import SQLITE
from mutants.datasets.lazy_scan import LAZY
from mutants.datasets.likes import LIKES
from mutants.datasets.plain import plain
from mutants.datasets.visits import VISITS
from mutants.mutant import Subject
from shortstack.contracts import DatasetTraits
from shortstack_datasets import amazon, lastfm, movielens, sequences, table, yelp
from shortstack_datasets.reading.described import as_html
from shortstack_datasets.reading.writing import item_rows, moment, write_objects

COLUMNS = {"rating": "rating", "timestamp": "time", "title": "title", "category": "kind"}
SETTINGS = (
    {},
    COLUMNS,
    COLUMNS | {"separator": "\t", "timestamp_unit": "iso"},
    {"header": False, "user": "3", "item": "1", "rating": "5", "timestamp": "2", "title": "6", "category": "4"},
    COLUMNS | {"timestamp_format": "%d.%m.%Y %H:%M:%S.%f", "where": {"event": ["buy", "order"], "country": 49}},
    COLUMNS | {"format": "json", "items_file": "items.csv", "items_format": "parquet"},
    COLUMNS | {"items_file": "items.tsv", "items_item": "id", "timestamp_unit": "ms"},
    COLUMNS
    | {"items_file": "items.dat", "items_header": False, "items_item": "2", "items_separator": "::"}
    | {"items_encoding": "latin-1", "title": "1", "category": "4", "separator": "::"},
)
HISTORIES = (
    {},
    {"titles": "titles.json"},
    {"layout": "histories", "separator": ",", "titles": "titles.tsv", "titles_item": "id"},
)
FILES = ("interactions.jsonl", "interactions.parquet", "interactions.tsv.gz")


def table_in(name):
    """Build the table adapter, with another file name to write."""
    return attrs.evolve(
        table.DESCRIPTOR,
        name=f"table-{name.split('.')[1]}",
        write=lambda settings, sample, folder: table.write(settings, sample, folder / name),
    )


def write_parts(settings, sample, folder):
    """Write two files in a folder, each with a header."""
    half = len(sample.rows) // 2
    for name, rows in (("part-9.csv", sample.rows[:half]), ("part-10.csv", sample.rows[half:])):
        table.write(settings, attrs.evolve(sample, rows=rows), folder / name)
    return folder


def write_packed_parts(settings, sample, folder):
    """Write the two files in an archive."""
    inside = folder.parent / "parts"
    inside.mkdir()
    write_parts(settings, sample, inside)
    with zipfile.ZipFile(folder / "parts.zip", "w") as archive:
        for path in sorted(inside.iterdir()):
            archive.write(path, path.name)
    return folder / "parts.zip"


def lines(rows, separator):
    """Format rows as text without a header."""
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def seconds(sample):
    """Yield user, item, rating and seconds."""
    for row in sample.rows:
        yield row.user, row.item, row.rating, row.timestamp // 1000 if isinstance(row.timestamp, int) else row.timestamp


def write_tab(_settings, sample, folder):
    """Write files in the format of ml-100k."""
    (folder / "u.data").write_text(lines(seconds(sample), "\t"), encoding="utf-8")
    movies = [
        (item, title, "", "", "", *(int(genre in sample.categories[item].split("|")) for genre in movielens.GENRES))
        for item, title in sample.titles.items()
    ]
    (folder / "u.item").write_text(lines(movies, "|"), encoding="latin-1")
    return folder


def write_dat(_settings, sample, folder):
    """Write files in the format of ml-1m."""
    (folder / "ratings.dat").write_text(lines(seconds(sample), "::"), encoding="utf-8")
    movies = [(item, title, sample.categories[item]) for item, title in sample.titles.items()]
    (folder / "movies.dat").write_text(lines(movies, "::"), encoding="latin-1")
    return folder


def write_2014(_settings, sample, folder):
    """Write Amazon reviews of 2014, with metadata that are Python literals and not JSON."""
    reviews = [
        {"reviewerID": row.user, "asin": row.item, "overall": row.rating, "unixReviewTime": moment(row.timestamp, "s")}
        for row in sample.rows
    ]
    products = [
        {"asin": row["item"], "title": as_html(row["title"]), "categories": [[as_html(row["category"])]]}
        for row in item_rows(sample)
    ]
    write_objects(folder / "reviews_Toys_5.json", reviews)
    (folder / "meta_Toys.json").write_text("".join(f"{product!r}\n" for product in products), encoding="utf-8")
    return folder


def write_ratings(_settings, sample, folder):
    """Write Amazon ratings of 2018, quoted if needed, with a header, since a user's number may also be a book's."""
    text = io.StringIO(newline="")
    rows = [(row.item, row.user, row.rating, moment(row.timestamp, "s")) for row in sample.rows]
    csv.writer(text, lineterminator="\n").writerows([("item", "user", "rating", "timestamp"), *rows])
    (folder / "Toys.csv").write_text(text.getvalue(), encoding="utf-8")
    return folder


def write_zip(settings, sample, folder):
    """Write an archive in the format of ml-32m."""
    inside = folder.parent / "ml"
    inside.mkdir()
    movielens.write(settings, sample, inside)
    with zipfile.ZipFile(folder / "ml.zip", "w") as archive:
        for path in sorted(inside.iterdir()):
            archive.write(path, f"ml/{path.name}")
    return folder / "ml.zip"


def write_json(_settings, sample, folder):
    """Write one JSON object, an entry a line."""
    entries = ",\n".join(
        f"{json.dumps(user)}: {json.dumps(items)}" for user, items in sequences.histories(sample).items()
    )
    (folder / "sample.json").write_text(f"{{\n{entries}\n}}\n", encoding="utf-8")
    return folder / "sample.json"


JSON_HISTORIES = attrs.evolve(sequences.DESCRIPTOR, name="sequences-json", write=write_json)


def without_ratings(descriptor, name):
    """Return the descriptor with the traits of settings that read events without a rating."""
    return attrs.evolve(descriptor, name=name, traits=attrs.evolve(descriptor.traits, ratings=False))


RATINGS = attrs.evolve(amazon.DESCRIPTOR, name="amazon-ratings", write=write_ratings, traits=DatasetTraits())

CORRECT = (
    Subject(component="movielens", kind="dataset"),
    *(
        Subject(component=attrs.evolve(movielens.DESCRIPTOR, name=f"movielens-{name}", write=write), kind="dataset")
        for name, write in (("tab", write_tab), ("dat", write_dat), ("zip", write_zip))
    ),
    *(Subject(component=name, kind="dataset") for name in ("amazon-reviews", "lastfm", "mind", "yelp", "recbole")),
    *(Subject(component="sequences", kind="dataset", settings=settings) for settings in HISTORIES),
    Subject(component=JSON_HISTORIES, kind="dataset"),
    Subject(component=without_ratings(yelp.DESCRIPTOR, "yelp-tips"), kind="dataset", settings={"events": "tip"}),
    Subject(component=without_ratings(lastfm.DESCRIPTOR, "lastfm-tags"), kind="dataset", settings={"events": "tags"}),
    Subject(component=attrs.evolve(amazon.DESCRIPTOR, name="amazon-2014", write=write_2014), kind="dataset"),
    Subject(component=RATINGS, kind="dataset"),
    *(Subject(component="table", kind="dataset", settings=settings) for settings in SETTINGS),
    *(Subject(component=table_in(name), kind="dataset", settings=COLUMNS) for name in FILES),
    *(
        Subject(
            component=attrs.evolve(table.DESCRIPTOR, name=f"table-{name}", write=write),
            kind="dataset",
            settings=COLUMNS,
        )
        for name, write in (("parts", write_parts), ("zip", write_packed_parts))
    ),
    *(Subject(component=descriptor, kind="dataset") for descriptor in (plain(), BY_USER, VISITS, LAZY, LIKES, SQLITE)),
)
