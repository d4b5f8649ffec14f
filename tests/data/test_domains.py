"""The adapters of five domains: every published form, and a bank of damaged files."""

import zipfile
from pathlib import Path

import polars as pl
import pytest
from sources import DAY, REGISTRY, build, items, jsons, put, rows

from shortstack.data.interactions import Interactions
from shortstack.data.splits import split
from shortstack.errors import DataError, RowError

OLD = [
    {"reviewerID": "A", "asin": "X", "overall": 5.0, "unixReviewTime": 86_400, "reviewText": 'a "b"'},
    {"reviewerID": "B", "asin": "Y", "overall": 1.0, "unixReviewTime": 172_800},
]
NEW = [
    {"user_id": "A", "parent_asin": "X", "asin": "X1", "rating": 5.0, "timestamp": DAY},
    {"user_id": "B", "parent_asin": "Y", "asin": "Y", "rating": 1.0, "timestamp": 2 * DAY},
]
EXPECTED = [("A", "X", 5.0, 1.0), ("B", "Y", 1.0, 2.0)]
LITERAL = """{'asin': 'X', 'title': "Tom's &amp; Co", 'categories': [['Toys', 'Small'], ['Other']], 'price': 1.5}
{'asin': 'Y', 'related': {'also_bought': ['X']}}
"""
META_2018 = jsons(
    {"asin": "X", "title": "Tom's &amp; Co", "category": ["Toys", "Small"]},
    {"asin": "Y", "title": '<span class="a-size-medium a-color-secondary"', "category": [], "main_cat": ""},
)
META_2023 = jsons(
    {"parent_asin": "X", "title": "Tom's & Co", "categories": ["Toys", "Small"], "main_category": "All"},
    {"parent_asin": "Y", "title": None},
)
CSV_2023 = "user_id,parent_asin,rating,timestamp\n" + "".join(
    f"{r['user_id']},{r['parent_asin']},{r['rating']},{r['timestamp']}\n" for r in NEW
)
AMAZON = {
    "2014 reviews": ("amazon-2014", {"reviews_Toys_5.json.gz": jsons(*OLD), "meta_Toys.json.gz": LITERAL}),
    "2014 ratings": ("amazon-2014", {"ratings_Toys.csv": "A,X,5.0,86400\nB,Y,1.0,172800\n", "meta_Toys.json.bz2": LITERAL}),
    "2018 reviews": ("amazon-2018", {"Toys_5.json.gz": jsons(*OLD), "meta_Toys.json.gz": META_2018}),
    "2018 ratings": ("amazon-2018", {"Toys.csv": "X,A,5.0,86400\nY,B,1.0,172800\n", "meta_Toys.json": META_2018}),
    "2023 reviews": ("amazon-2023", {"Toys.jsonl.gz": jsons(*NEW), "meta_Toys.jsonl.gz": META_2023}),
    "2023 ratings": ("amazon-2023", {"Toys.csv.gz": CSV_2023, "meta_Toys.jsonl": META_2023}),
}  # fmt: skip


@pytest.mark.parametrize("form", AMAZON)
@pytest.mark.parametrize("place", ["folder", "parent", "file", "zip"])
def test_amazon_in_every_form(tmp_path, form, place):
    """Reviews and ratings of each year, from a folder, one that holds it, the file of reviews alone, or an archive."""
    edition, files = AMAZON[form]
    folder = put(tmp_path / "held" / "toys", **files)
    source = {"folder": folder, "parent": folder.parent, "file": folder / next(iter(files)), "zip": tmp_path / "a.zip"}[
        place
    ]
    if place == "zip":
        with zipfile.ZipFile(source, "w") as archive:
            for path in folder.iterdir():
                archive.write(path, f"toys/{path.name}")
    records = build("amazon-reviews").read(source)

    assert records.edition.name == edition
    assert build("amazon-reviews").detect(source) == records.edition
    assert rows(records) == EXPECTED
    assert set(records.interactions.collect()["category"]) == {"Toys"}
    titles = items(records)
    assert titles["X"] == ("Tom's & Co", "Toys|Small")
    assert titles["Y"] == (None, None)


def test_amazon_prefers_the_official_split(tmp_path):
    """The official split is preferred to the same reviews in other files; an additional history column is ignored."""
    header = "user_id,parent_asin,rating,timestamp,history\n"
    lines = [f"A,I{day},4.0,{day * DAY},\n" for day in range(5)]
    files = {"train": lines[:3], "valid": lines[3:4], "test": lines[4:]}
    folder = put(
        tmp_path,
        **{f"Toys.{part}.csv.gz": header + "".join(of) for part, of in files.items()},
        **{"Toys.jsonl": jsons(*NEW)},
    )
    records = build("amazon-reviews").read(folder)

    assert records.interactions.collect()["split"].to_list() == ["train"] * 3 + ["valid", "test"]
    sequences = split(Interactions.from_records(records, core=0), "official")
    assert sequences.splits.tolist() == [0, 0, 0, 1, 2]


def test_amazon_histories_by_user(tmp_path):
    """One person's histories in two categories are two users."""
    review = {"parent_asin": "X", "rating": 4.0, "timestamp_ms": DAY, "product": {"title": "Tom", "main_category": "T"}}
    lines = [{"user_id": "A", "category": name, "history": [review, review]} for name in ("Toys", "Books")]
    records = build("amazon-reviews").read(put(tmp_path, **{"training.jsonl": jsons(*lines)}))

    assert rows(records) == [("A/Toys", "X", 4.0, 1.0)] * 2 + [("A/Books", "X", 4.0, 1.0)] * 2
    assert items(records) == {"X": ("Tom", "T")}


HETREC = {
    "user_artists.dat": "userID\tartistID\tweight\r\n2\t51\t13883\r\n3\t52\t7\r\n",
    "artists.dat": 'id\tname\turl\tpictureURL\n51\tDuran "D" Duran\thttp\tjpg\n52\tMorcheeba\t\t\n',
    "tags.dat": b"tagID\ttagValue\r\n1\tpop\r\n2\tchanson fran\xe7aise\r\n",
    "user_taggedartists.dat": "userID\tartistID\ttagID\tday\tmonth\tyear\r\n2\t51\t1\t1\t4\t2009\r\n3\t51\t1\t1\t4\t2009\r\n2\t52\t2\t31\t12\t1956\r\n",
}  # fmt: skip


def test_music_of_2011(tmp_path):
    """Counts without times, or tags with their days; an artist's category is its most frequent tag."""
    folder = put(tmp_path, **HETREC)
    plays, tags = build("lastfm").read(folder), build("lastfm", events="tags").read(folder)

    assert rows(plays) == [("2", "51", 13_883.0, None), ("3", "52", 7.0, None)]
    assert rows(tags) == [("2", "51", None, 14_335.0), ("3", "51", None, 14_335.0), ("2", "52", None, -4_749.0)]
    assert items(plays) == {"51": ('Duran "D" Duran', "pop"), "52": ("Morcheeba", "chanson française")}


EVENTS = (
    'user_1\t2009-05-04T23:08:57Z\tf1b1\tDeep "Dish\tt1\tFuck\nuser_1\t2009-05-04T13:54:10Z\t\t坂本龍一\t\tComposition\n'
    'user_2\t2009-05-04T13:52:04Z\tf1b1\tDeep "Dish\tt2\tNothing\n'
)  # fmt: skip


def test_listening_events(tmp_path):
    """Artists or tracks without an id are identified by name."""
    folder = put(tmp_path, **{"userid-timestamp-artid-artname-traid-traname.tsv.bz2": EVENTS})
    artists, tracks = build("lastfm").read(folder), build("lastfm", item="track").read(folder)

    assert [row[1] for row in rows(artists)] == ["f1b1", "坂本龍一", "f1b1"]
    assert items(artists) == {"f1b1": ('Deep "Dish', None), "坂本龍一": ("坂本龍一", None)}
    assert [row[1] for row in rows(tracks)] == ["t1", "坂本龍一 – Composition", "t2"]
    assert items(tracks)["t2"] == ('Deep "Dish – Nothing', None)
    sessions = build("lastfm", session_minutes=60).read(folder).interactions.collect()
    assert sessions["user"].to_list() == ["user_1#0", "user_1#1", "user_2#0"]


def test_play_counts_of_360k(tmp_path):
    """A sha1, an artist with or without an id, a count."""
    text = "0a1\tmb1\tbetty\t2137\n0a1\t\tdie Ärzte\t1099\n"
    records = build("lastfm").read(put(tmp_path, **{"usersha1-artmbid-artname-plays.tsv": text}))

    assert (records.edition.name, rows(records)) == (
        "lfm-360k",
        [("0a1", "mb1", 2_137.0, None), ("0a1", "die Ärzte", 1_099.0, None)],
    )


NEWS = 'N1\tnews\tpolitics\tA "lone quote\tabstract\thttp\t[]\t[]\nN2\tsports\t\tB\t\thttp\t[]\t[]\n'
TRAIN = "1\tU1\t11/9/2019 9:05:58 AM\tN1 N2\tN1-0 N2-1 N3-1\n2\tU2\t11/9/2019 12:00:00 PM\t\tN2-1\n"
DEV = "1\tU1\t11/15/2019 12:30:00 AM\tN1\tN1-1 N2-0\n"


def test_news(tmp_path):
    """Clicks as interactions, impressions beside them; what was shown need not be described."""
    folder = put(tmp_path, **{"behaviors.tsv": TRAIN, "news.tsv": NEWS})
    records = build("mind").read(folder)
    nine, noon = 1_573_290_358_000, 1_573_300_800_000

    assert rows(records) == [
        ("U1", "N2", None, nine / DAY),
        ("U1", "N3", None, nine / DAY),
        ("U2", "N2", None, noon / DAY),
    ]
    assert items(records) == {"N1": ('A "lone quote', "news|politics"), "N2": ("B", "sports")}
    assert records.impressions.collect().rows() == [
        ("U1", nine, ["N1", "N2"], ["N1", "N2", "N3"], [False, True, True], None),
        ("U2", noon, [], ["N2"], [True], None),
    ]


def test_news_in_official_parts(tmp_path):
    """Training and validation parts lie in folders of their own; the test part has no clicks and is left out."""
    unlabelled = "1\tU9\t11/20/2019 1:00:00 AM\t\tN1 N2\n"
    for name, behaviors in {"train": TRAIN, "dev": DEV, "test": unlabelled}.items():
        put(tmp_path / f"MINDsmall_{name}", **{"behaviors.tsv": behaviors, "news.tsv": NEWS})
    records = build("mind").read(tmp_path)
    alone = build("mind").read(tmp_path / "MINDsmall_dev")

    assert records.interactions.collect()["split"].to_list() == ["train"] * 3 + ["valid"]
    assert records.edition == build("mind").detect(tmp_path)
    assert records.edition.facts["impressions"] == 3
    assert len(records.items.collect()) == 2
    assert len(rows(alone)) == 1
    with pytest.raises(DataError, match="is the test part of MIND, which does not say what was clicked"):
        build("mind").read(tmp_path / "MINDsmall_test")


def test_places(tmp_path):
    """Reviews and tips, in the present form and in that of 2015."""
    review = {"user_id": "u", "business_id": "b", "stars": 4.0, "date": "2018-07-07 22:09:11"}
    tip = {"user_id": "u", "business_id": "b", "date": "2011-02-09", "likes": 0, "type": "tip"}
    businesses = [
        {"business_id": "b", "name": "Ann & Co", "categories": "Doctors, Health & Medical"},
        {"business_id": "c", "name": "Rebecca's", "categories": ["Bakeries", "Food"]},
        {"business_id": "d", "name": "", "categories": None},
    ]
    new = put(
        tmp_path / "new",
        **{
            "yelp_academic_dataset_review.json": jsons(review),
            "yelp_academic_dataset_business.json": jsons(*businesses),
        },
    )
    old = put(tmp_path / "old", **{"tip.json.gz": jsons(tip), "business.json.gz": jsons(*businesses)})

    reviews, tips = build("yelp").read(new), build("yelp").read(old)
    assert (reviews.edition.name, reviews.edition.facts) == ("yelp-reviews", {"form": "since 2016"})
    assert (tips.edition.name, tips.edition.facts) == ("yelp-tips", {"form": "up to 2015"})
    assert rows(reviews) == [("u", "b", 4.0, pytest.approx(1_531_001_351_000 / DAY))]
    assert rows(tips) == [("u", "b", None, 15_014.0)]
    assert items(reviews) == {
        "b": ("Ann & Co", "Doctors|Health & Medical"),
        "c": ("Rebecca's", "Bakeries|Food"),
        "d": (None, None),
    }
    with pytest.raises(DataError, match=r"is no Yelp data set: it should hold tip\.json"):
        build("yelp", events="tip").read(new)


INTER = 'user_id:token\titem_id:token\trating:float\ttimestamp:float\nu 1\t7\t4\t86400\nu2\tb"\t3.5\t172800\n'
ITEM = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n7\tToy Story\t1995\tAnimation Comedy\n"
)


def test_atomic_files(tmp_path):
    """Fields by their names before the type; titles and categories where an item file has them."""
    records = build("recbole").read(put(tmp_path, **{"ml.inter": INTER, "ml.item": ITEM}))

    assert rows(records) == [("u 1", "7", 4.0, 1.0), ("u2", 'b"', 3.5, 2.0)]
    assert items(records) == {"7": ("Toy Story", "Animation|Comedy")}


def test_atomic_files_of_a_benchmark(tmp_path):
    """The three files of a RecBole benchmark are the official split."""
    head, first, second = INTER.splitlines(keepends=True)
    files = {"b.train.inter": head + first, "b.valid.inter": head + second, "b.test.inter": head + second}
    records = build("recbole").read(put(tmp_path, **files))

    assert records.interactions.collect()["split"].to_list() == ["train", "valid", "test"]
    assert records.edition.name == "b"


MOVIES = {
    "ratings.dat": "1::10::4::978300760\n2::20::5::978300761\n",
    "movies.dat": "10::Heat (1995)::Drama\n20::X::\n",
}
YELP = {
    "review.json": jsons(
        {"user_id": "u", "business_id": "b", "stars": 4.0, "date": "2018-07-07"},
        {"user_id": "v", "business_id": "b", "stars": 4.0, "date": "2018-07-08"},
    ),
    "business.json": jsons({"business_id": "b", "name": "n"}),
}
BANK = [
    ("movielens", MOVIES, "ratings.dat", "::4::", "::four::", "1: rating 'four' is not a number"),
    ("movielens", MOVIES, "ratings.dat", "::978300760", "::-978300760", "1: timestamp '-978300760', as a time in s, lies before 1970; check its unit"),
    ("movielens", MOVIES, "ratings.dat", "::978300760", "::978300760000", "1: timestamp '978300760000', as a time in s, lies beyond the year 2200; check its unit"),
    ("movielens", MOVIES, "ratings.dat", "1::10", "1\t10", "1: 3 fields, where there should be 4"),
    ("amazon-reviews", AMAZON["2014 reviews"][1], "reviews_Toys_5.json.gz", '"overall": 1.0', '"overall": "x"', "2: overall 'x' is not a number from 1 to 5"),
    ("amazon-reviews", AMAZON["2014 reviews"][1], "reviews_Toys_5.json.gz", '"asin": "Y"', '"asin": ""', "2: asin is empty; it should be a name"),
    ("amazon-reviews", AMAZON["2014 reviews"][1], "meta_Toys.json.gz", "{'asin': 'Y'", "{'asin'; 'Y'", "2: the line is not JSON; each line should be one object"),
    ("amazon-reviews", AMAZON["2018 ratings"][1], "Toys.csv", "Y,B,1.0,", "Y,B,", "2: 3 fields, where there should be 4"),
    ("amazon-reviews", AMAZON["2023 ratings"][1], "Toys.csv.gz", ",1.0,", ",one,", "3: rating 'one' is not a number from 1 to 5"),
    ("amazon-reviews", AMAZON["2023 reviews"][1], "Toys.jsonl.gz", '"timestamp": 172800000', '"timestamp": "soon"', "2: timestamp 'soon' is not a time in milliseconds"),
    ("amazon-reviews", AMAZON["2023 reviews"][1], "meta_Toys.jsonl.gz", '"parent_asin": "Y"', '"parent_asin": 4', "2: neither parent_asin nor asin is a name"),
    ("lastfm", HETREC, "user_artists.dat", "3\t52\t7", "3\t52\tx", "3: weight 'x' is not a number"),
    ("lastfm", HETREC, "user_artists.dat", "3\t52\t7", "3\t5 2\t7", "3: artistID '5 2' is not a whole number"),
    ("lastfm", HETREC, "artists.dat", "52\tMor", "Mor", "3: 3 fields, where there should be 4"),
    ("mind", {"behaviors.tsv": TRAIN, "news.tsv": NEWS}, "behaviors.tsv", "\tN2-1\n", "\tN2\n", "2: impressions 'N2' is not a list of names, each with -0 or -1 behind it"),
    ("mind", {"behaviors.tsv": TRAIN, "news.tsv": NEWS}, "behaviors.tsv", "12:00:00 PM", "25:00:00", "2: time '11/9/2019 25:00:00' is not a time such as 11/9/2019 9:05:58 AM"),
    ("mind", {"behaviors.tsv": TRAIN, "news.tsv": NEWS}, "news.tsv", "\nN2\tsports", "\nN2 sports", "2: 7 fields, where there should be 8"),
    ("yelp", YELP, "review.json", "2018-07-08", "2018-07-32", "2: date '2018-07-32' is not an ISO 8601 time such as 2009-05-04T23:08:57Z"),
    ("yelp", YELP, "business.json", '"business_id": "b"', '"business_id": null', "1: business_id is empty; it should be a name"),
    ("recbole", {"ml.inter": INTER}, "ml.inter", "\t3.5", "\tx", "3: rating:float 'x' is not a number"),
    ("recbole", {"ml.inter": INTER}, "ml.inter", "\t172800", "", "3: 3 fields, where there should be 4"),
]  # fmt: skip


def damaged(folder, files, name, old, new):
    """Write the files, one of them with a text replaced."""
    plain = files[name] if isinstance(files[name], str) else files[name].decode()
    assert old in plain
    return put(folder, **{**files, name: plain.replace(old, new)})


@pytest.mark.parametrize(("adapter", "files", "name", "old", "new", "problem"), BANK)
def test_a_bad_row_is_named(tmp_path, adapter, files, name, old, new, problem):
    """A bad row is reported with file, line, column and value."""
    folder = damaged(tmp_path, files, name, old, new)
    with pytest.raises(RowError) as caught:
        build(adapter).read(folder)
    assert str(caught.value) == f"{folder / name}:{problem}"


@pytest.mark.parametrize(("adapter", "files", "name", "old", "new", "problem"), BANK)
def test_a_bad_row_is_skipped(tmp_path, adapter, files, name, old, new, problem):
    """Bad rows are skipped on request, counted and reported; all other rows are read."""
    good = build(adapter).read(put(tmp_path / "good", **files))
    folder = damaged(tmp_path / "bad", files, name, old, new)
    records = build(adapter, skip_bad_rows=True).read(folder)
    lost = [len(frame.collect()) for frame in (good.interactions, records.interactions)]
    known = [len(frame.collect()) for frame in (good.items, records.items)]

    assert records.skipped.rows == 1
    assert records.skipped.examples == (f"{folder / name}:{problem}",)
    assert lost[0] - lost[1] + max(0, known[0] - known[1]) >= 1
    assert Interactions.from_records(records, core=0).facts()["bad_rows_skipped"] == 1


def test_many_bad_rows_are_counted(tmp_path):
    """All of them, of every kind; three are shown, each with the line it has in the file."""
    lines = [f"u{n},i{n % 5},{n % 5},{n}" for n in range(1_000)]
    for number in range(0, 1_000, 10):
        lines[number] = [f"u,i,x,{number}", f"u,i,4,{number},9", "u,i", f'u,"i,4,{number}'][number // 10 % 3]
    folder = put(tmp_path, **{"a.csv": "user,item,rating,time\n" + "\n".join(lines) + "\n"})
    records = build("table", rating="rating", timestamp="time", skip_bad_rows=True).read(folder / "a.csv")

    assert records.skipped.rows == 100
    assert len(records.interactions.collect()) == 900
    assert len(records.skipped.examples) == 3
    assert all(example.startswith(f"{folder / 'a.csv'}:") for example in records.skipped.examples)


def test_bytes_and_quotes_that_are_skipped(tmp_path):
    """A line in another encoding, and a quote that is never closed, cost one row each; lines keep their numbers."""
    data = 'user,item\nu,a\nu,"b\nu,é\nv,c\n'.encode().replace("é".encode(), b"\xe9")
    folder = put(tmp_path, **{"a.csv": data})
    records = build("table", skip_bad_rows=True).read(folder / "a.csv")

    assert [row[:2] for row in rows(records)] == [("u", "a"), ("v", "c")]
    assert records.skipped.rows == 2
    assert sorted(text.split(":")[1] for text in records.skipped.examples) == ["3", "4"]


IDS = ["a b", " lead", 'say "hi"', "x,y", "::", "a::b", "🦊", "日本", "it's", "back\\slash"]


@pytest.mark.parametrize("adapter", ["amazon-reviews", "yelp", "recbole"])
def test_ids_of_any_text(tmp_path, adapter):
    """Ids may hold blanks, quotes, commas, colons and emoji."""
    from shortstack.contracts import Interaction, Sample

    descriptor = REGISTRY.find("dataset", adapter).descriptor
    sample = Sample(
        rows=[Interaction(user=f"u{i}", item=name, rating=3.0, timestamp=DAY) for i, name in enumerate(IDS)],
        titles={"::": "Colons"},
    )
    records = build(adapter).read(descriptor.write(descriptor.config(), sample, tmp_path))

    assert [row[1] for row in rows(records)] == IDS


def test_a_line_of_ten_megabytes(tmp_path):
    """A long line is read where text is allowed; otherwise the error gives its line number and cuts the text short."""
    long = "x" * 10_000_000
    folder = put(
        tmp_path,
        **{
            "review.json": jsons(
                {"user_id": "u", "business_id": "b", "stars": 4.0, "date": "2018-07-07", "text": long}
            ),
            "t.csv": f"user,item,rating\nu,i,4\nu,i,{long}\n",
        },
    )

    assert len(rows(build("yelp").read(folder))) == 1
    with pytest.raises(RowError) as caught:
        build("table", rating="rating").read(folder / "t.csv")
    assert str(caught.value) == f"{folder / 't.csv'}:3: rating {'x' * 80 + '…'!r} is not a number"


def test_an_archive_with_paths_outside(tmp_path):
    """An archive with paths outside is refused before anything is read."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../ratings.dat", "1::10::4::978300760\n")
        archive.writestr("movies.dat", "10::Heat (1995)::Drama\n")
    with pytest.raises(DataError, match=r"a\.zip holds '\.\./ratings\.dat', a path outside of itself"):
        build("movielens").read(tmp_path / "a.zip")


@pytest.mark.parametrize("packed", ["gz", pytest.param("bz2", marks=pytest.mark.full), "zip"])
def test_a_file_that_grows_a_thousandfold(tmp_path, packed):
    """Decompression stops long before the file fills the memory."""
    rest = b"1::10::4::978300760\n" * 4_000_000
    name = "ratings.dat" if packed == "zip" else f"a.csv.{packed}"
    if packed == "zip":
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("ratings.dat", rest)
            archive.writestr("movies.dat", "10::Heat (1995)::Drama\n")
        adapter, source = build("movielens"), tmp_path / "a.zip"
    else:
        adapter, source = (
            build("table", separator="::", header=False, user="1", item="2"),
            put(tmp_path, **{name: rest}) / name,
        )
    with pytest.raises(DataError, match="grows to more than 200 times its"):
        adapter.read(source)


@pytest.mark.parametrize("name", ["reviews_Toys_5.json.gz", "meta_Toys.json.gz"])
def test_half_of_a_download(tmp_path, name):
    """A truncated gzip file, of reviews or of products."""
    folder = put(tmp_path, **AMAZON["2014 reviews"][1])
    path = folder / name
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=rf"{name} is truncated or no gzip file; download it again"):
        build("amazon-reviews").read(folder)


def test_blocks_of_lines_are_as_one(tmp_path, monkeypatch):
    """However small the blocks are: quoted line ends, blank lines at the end, numbers of lines."""
    text = 'user,item,rating\nu,"a\n\nb",1\nv,c,2\n' + "".join(f"u{n},i,{n}\n" for n in range(50)) + "\n\n"
    folder = put(tmp_path, **{"a.csv": text, "b.csv": text.replace("u49,i,49", "u49,i,x")})
    adapter = build("table", rating="rating")
    whole = adapter.read(folder / "a.csv").interactions.collect()
    monkeypatch.setattr("shortstack_datasets.reading.lines.SIZE", 16)

    for size in (1, 7, 16, 64, 1_000):
        monkeypatch.setattr("shortstack_datasets.reading.lines.SIZE", size)
        assert adapter.read(folder / "a.csv").interactions.collect().equals(whole)
        with pytest.raises(RowError, match=r"b\.csv:55: rating 'x' is not a number"):
            adapter.read(folder / "b.csv")
    assert whole["item"][0] == "a\n\nb"
    assert whole.height == 52


HISTORY = [{"parent_asin": "i", "rating": 5, "timestamp_ms": DAY}]
NESTED = {
    "T.jsonl": jsons(
        {"user_id": "u1", "category": "C", "history": HISTORY}, {"user_id": "u2", "category": "C", "history": HISTORY}
    )
}
TABLE = {"t.jsonl": jsons({"user": "u1", "item": "a"}, {"user": "u2", "item": "b"})}
ODD = [
    ("amazon-reviews", NESTED, "T.jsonl", '"u2", "category": "C", "history": [', '"u2", "category": "C", "history": ["junk", ', "history is not a list of reviews"),
    ("amazon-reviews", NESTED, "T.jsonl", '"user_id": "u2"', '"user_id": ["u2"]', "user_id is not a name"),
    ("amazon-reviews", NESTED, "T.jsonl", '"u2", "category": "C"', '"u2", "category": ["C"]', "category is not a name"),
    ("amazon-reviews", AMAZON["2014 reviews"][1], "meta_Toys.json.gz", "{'asin': 'Y'", "{['a']: 1, 'asin': 'Y'", "2: the line is not JSON"),
    ("yelp", YELP, "review.json", '"v", "business_id": "b"', '"v", "business_id": {"x": 1}', "2: business_id is a JSON dict; it should be a name"),
    ("table", TABLE, "t.jsonl", '"user": "u2"', '"user": ["u2"]', "2: user is a JSON list; it should be a name"),
    ("table", TABLE, "t.jsonl", '"user": "u2"', '"user": true', "2: user is a JSON bool; it should be a name"),
]  # fmt: skip


@pytest.mark.parametrize(("adapter", "files", "name", "old", "new", "problem"), ODD)
def test_names_and_lists_of_another_type(tmp_path, adapter, files, name, old, new, problem):
    """Such values are errors or are counted; nothing is dropped silently, and no message holds a user's id."""
    folder = damaged(tmp_path, files, name, old, new)
    source = folder / name if adapter == "table" else folder
    with pytest.raises(RowError) as caught:
        build(adapter).read(source)
    assert problem in str(caught.value)
    assert "u2" not in str(caught.value).replace(str(folder), "")
    assert build(adapter, skip_bad_rows=True).read(source).skipped.rows == 1


def test_numbers_are_the_same_names_in_every_way_of_reading(tmp_path):
    """A bad line elsewhere changes no other."""
    good = '{"user": 1.0, "item": "a"}\n{"user": 1, "item": "b"}\n{"user": "1", "item": "c"}\n'
    folder = put(tmp_path, **{"a.jsonl": good, "b.jsonl": good + "{oops\n"})
    columns = [
        build("table", skip_bad_rows=True).read(folder / name).interactions.collect() for name in ("a.jsonl", "b.jsonl")
    ]

    assert columns[0].equals(columns[1])
    assert columns[0]["user"].n_unique() == 1


@pytest.mark.parametrize("first", ['{"rating": 5.0, "title"', ""])
def test_a_damaged_first_line_hides_no_file(tmp_path, first):
    """A category whose file has a damaged first line is still read."""
    folder = put(tmp_path, **{"A.jsonl": first + "\n" + jsons(*NEW), "B.jsonl": jsons(*NEW)})
    records = build("amazon-reviews", skip_bad_rows=True).read(folder)

    assert records.edition.facts["categories"] == "A, B"
    assert len(records.interactions.collect()) == 4
    assert records.skipped.rows == bool(first)


def test_parts_of_news_are_told_by_their_own_folder(tmp_path):
    """Parts are recognised by their own folder, not by parent folders; a part without news is not skipped."""
    for name, behaviors in {"train": TRAIN, "dev": DEV}.items():
        put(tmp_path / "train_data" / f"MINDsmall_{name}", **{"behaviors.tsv": behaviors, "news.tsv": NEWS})
    assert len(rows(build("mind").read(tmp_path / "train_data"))) == 4
    latest = put(
        tmp_path / "latest" / "mind", **{"behaviors.tsv": TRAIN.replace("N1-0 N2-1 N3-1", "N1"), "news.tsv": NEWS}
    )
    with pytest.raises(RowError, match=r"behaviors\.tsv:1: impressions 'N1' is not a list"):
        build("mind").read(latest)
    (tmp_path / "train_data" / "MINDsmall_dev" / "news.tsv").unlink()
    with pytest.raises(DataError, match=r"MINDsmall_dev/behaviors\.tsv has no news\.tsv beside it"):
        build("mind").read(tmp_path / "train_data")
    assert build("mind").detect(tmp_path / "train_data") is None


def test_two_files_of_one_kind(tmp_path):
    """Two files of one kind are ambiguous, so this is an error."""
    yelp = put(tmp_path / "y", **YELP, **{"yelp_academic_dataset_review.json": YELP["review.json"]})
    with pytest.raises(DataError, match="holds several Yelp data sets"):
        build("yelp").read(yelp)
    atomic = put(tmp_path / "r", **{"a.inter": INTER, "a.inter.gz": INTER})
    with pytest.raises(DataError, match="holds several RecBole data sets"):
        build("recbole").read(atomic)
    parts = put(tmp_path / "b", **{"a.train.inter": INTER, "a.train.inter.gz": INTER, "a.test.inter": INTER})
    with pytest.raises(DataError, match="are one part of a benchmark; keep one file of each"):
        build("recbole").read(parts)


def test_ids_without_digits_are_no_header(tmp_path):
    """A value that may be a person's name is not shown."""
    folder = put(tmp_path, **{"a.csv": "alice,matrix\nbob,alien\n"})
    with pytest.raises(DataError, match="has no column 'user' for user; is its first line a header"):
        build("table").read(folder / "a.csv")


def test_halves_of_surrogate_pairs(tmp_path):
    """Unpaired surrogates, which JSON can escape but UTF-8 cannot encode, are spelt out."""
    files = {**YELP, "business.json": '{"business_id": "b", "name": "x \\ud800 y"}\n'}
    assert items(build("yelp").read(put(tmp_path, **files)))["b"][0] == "x \\ud800 y"
    folder = put(tmp_path / "t", **{"a.jsonl": '{"user": "u", "item": "\\ud800"}\n{oops\n'})
    assert build("table", skip_bad_rows=True).read(folder / "a.jsonl").skipped.rows == 1


def test_a_time_too_large_for_a_machine(tmp_path):
    """A time beyond 64 bits is a bad row; it does not wrap around."""
    folder = put(tmp_path, **{"a.csv": "user,item,t\nu,i,18446745073709552\n"})
    with pytest.raises(RowError, match=r"a\.csv:2: t '18446745073709552', as a time in s, lies beyond the year 2200"):
        build("table", timestamp="t").read(folder / "a.csv")


def test_fields_and_separators_beyond_ascii(tmp_path):
    """A header in Portuguese, a section sign between fields."""
    atomic = put(tmp_path / "r", **{"a.inter": "usuário:token\titem_id:token\nu1\ti1\n"})
    assert rows(build("recbole", user="usuário").read(atomic)) == [("u1", "i1", None, None)]
    folder = put(tmp_path, **{"a.csv": "user§item\nu1§i1\n"})
    assert rows(build("table", separator="§").read(folder / "a.csv")) == [("u1", "i1", None, None)]


def test_columns_of_parquet_that_are_no_text(tmp_path):
    """Parquet columns of lists are refused as ids."""
    pl.DataFrame({"user": [["a"], ["b"]], "item": ["x", "y"]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"the column 'user' holds List\(String\), which is no text or number"):
        build("table").read(tmp_path / "a.parquet")


def test_what_the_system_refuses(tmp_path, monkeypatch):
    """The system's error is one line with the path; a device and an overlong path are no sources."""
    folder = put(tmp_path, **MOVIES)

    def refused(*_arguments):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        build("movielens").read(folder)
    monkeypatch.undo()
    for source in ("/dev/null", "x" * 5_000):
        with pytest.raises(DataError, match=r"is not there; give a folder|cannot be read: File name too long"):
            build("movielens").read(source)
