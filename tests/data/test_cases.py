"""Regression tests on small real-world files, each of which was once read wrongly."""

import polars as pl
import pytest
from sources import DAY, build, items, jsons, put, rows

from shortstack.data.interactions import Interactions
from shortstack.data.splits import split
from shortstack.errors import DataError, RowError

REVIEWS_2023 = jsons(
    *(
        {
            "rating": rating,
            "title": "Good",
            "text": "",
            "images": [],
            "asin": item,
            "parent_asin": item,
            "user_id": user,
            "timestamp": 1_588_687_728_923,
            "helpful_vote": 0,
            "verified_purchase": True,
        }
        for user, item, rating in (("AEA", "B000000001", 5.0), ("AEB", "B000000002", 4.0))
    )
)
META_2023 = jsons(
    *(
        {
            "main_category": "All Beauty",
            "title": title,
            "average_rating": 4.8,
            "rating_number": 10,
            "images": [],
            "videos": videos,
            "categories": [],
            "parent_asin": item,
        }
        for item, title, videos in (
            ("B000000001", "Howling Wolf Soap", [{"title": "a", "url": "", "user_id": "/shop/x"}]),
            ("B000000002", "Yes to Combs", []),
        )
    )
)
PUBLISHED = {
    "raw/review_categories/All_Beauty.jsonl": REVIEWS_2023,
    "raw/meta_categories/meta_All_Beauty.jsonl": META_2023,
}


@pytest.mark.parametrize(
    "source",
    ["", "raw", "raw/review_categories", "raw/review_categories/All_Beauty.jsonl"],
    ids=lambda path: path or ".",
)
def test_amazon_in_the_publishers_folders(tmp_path, source):
    """Reviews and metadata lie in two folders side by side: whichever is named, the products have their titles."""
    records = build("amazon-reviews").read(put(tmp_path, **PUBLISHED) / source)

    assert [row[:3] for row in rows(records)] == [("AEA", "B000000001", 5.0), ("AEB", "B000000002", 4.0)]
    assert items(records) == {
        "B000000001": ("Howling Wolf Soap", "All Beauty"),
        "B000000002": ("Yes to Combs", "All Beauty"),
    }
    assert Interactions.from_records(records, core=0).remarks == ()


def test_amazon_in_the_publishers_folders_of_2018(tmp_path):
    """The files of 2018 are recognised under the publisher's names."""
    put(
        tmp_path,
        **{
            "categoryFiles/Toys.json": jsons(
                {"reviewerID": "A", "asin": "X", "overall": 5.0, "unixReviewTime": 86_400}
            ),
            "metaFiles2/meta_Toys.json": jsons({"asin": "X", "title": "Tom", "category": ["Toys"]}),
        },
    )
    assert items(build("amazon-reviews").read(tmp_path / "categoryFiles")) == {"X": ("Tom", "Toys")}


def test_metadata_are_no_reviews(tmp_path):
    """Metadata are not recognised as reviews, even if nested or if their file has another name."""
    put(tmp_path, **{"products.jsonl": META_2023})

    assert build("amazon-reviews").detect(tmp_path) is None


BEAUTY_2023 = (
    "user_id,parent_asin,rating,timestamp\nAEA,B000000001,5.0,1588687728923\nAEB,B000000002,4.0,1588687729923\n"
)


def test_amazon_one_category_twice(tmp_path):
    """One category in two folders would count twice: an error that names both files."""
    put(tmp_path, **{"5core/All_Beauty.csv": BEAUTY_2023, "0core/All_Beauty.csv": BEAUTY_2023})
    first, second = tmp_path / "0core" / "All_Beauty.csv", tmp_path / "5core" / "All_Beauty.csv"

    with pytest.raises(DataError) as caught:
        build("amazon-reviews").read(tmp_path)
    assert str(caught.value) == f"the category All_Beauty is in {first} and in {second}; name one of them as the source"
    assert len(rows(build("amazon-reviews").read(tmp_path / "5core"))) == 2


def test_amazon_metadata_twice(tmp_path):
    """Two metadata files are ambiguous, so this is an error."""
    put(tmp_path, **{f"{name}/meta_Toys.jsonl": META_2023 for name in "ab"}, **{"c/Toys.csv": BEAUTY_2023})

    with pytest.raises(DataError, match=r"the metadata of Toys is in .*a/meta_Toys.jsonl and in .*b/meta_Toys.jsonl"):
        build("amazon-reviews").read(tmp_path)


def test_an_official_split_beside_a_plain_file(tmp_path):
    """A part of a split is less than all reviews; and a category without a split does not end the reading of others."""
    put(tmp_path, **{"one/All_Beauty.train.csv": BEAUTY_2023[:83], "one/All_Beauty.csv": BEAUTY_2023})
    for part in ("train", "valid", "test"):
        put(tmp_path, **{f"two/Toys.{part}.csv": BEAUTY_2023})
    assert len(rows(build("amazon-reviews").read(tmp_path / "one"))) == 2
    records = build("amazon-reviews").read(tmp_path)
    made = Interactions.from_records(records, core=0)

    assert len(made) == 8
    assert records.remarks == ("the official split is left out, because these categories have none: All_Beauty",)
    assert len(split(made, "leave-last").items) == 8
    with pytest.raises(DataError, match=r"not all of its parts were read; use 'leave-last' or 'ratio'$"):
        split(made, "official")


RATINGS = "UserId,ProductId,Rating,Timestamp\nA1,B000000001,5.0,1369699200\nA2,B000000002,4.0,1355443200\n"


def test_a_header_where_none_is_expected(tmp_path):
    """A header is recognised by words in place of numbers, skipped, and reported."""
    records = build("amazon-reviews").read(put(tmp_path, **{"ratings_Beauty.csv": RATINGS}))

    assert rows(records) == [("A1", "B000000001", 5.0, 15_853.0), ("A2", "B000000002", 4.0, 15_688.0)]
    assert records.remarks == (
        f"{tmp_path / 'ratings_Beauty.csv'}: the first line is a header, which this format does not have, and was left out",
    )


def test_a_header_in_movielens(tmp_path):
    """The same holds for every format without a header; one wrong number alone is a bad row."""
    movies = "1::Toy Story (1995)::Animation\n"
    put(tmp_path, **{"ratings.dat": "UserID::MovieID::Rating::Timestamp\n1::1::5::978300760\n", "movies.dat": movies})
    records = build("movielens").read(tmp_path)
    put(tmp_path, **{"ratings.dat": "1::1::Rating::978300760\n"})

    assert [row[:3] for row in rows(records)] == [("1", "1", 5.0)]
    assert len(records.remarks) == 1
    with pytest.raises(RowError, match=r"ratings.dat:1: rating 'Rating' is not a number"):
        build("movielens").read(tmp_path)


@pytest.mark.parametrize("name", ["ratings.csv", "Beauty.csv", "ratings_Beauty.csv"])
@pytest.mark.parametrize("first", ["user", "item"])
def test_users_and_items_are_told_by_amazons_ids(tmp_path, name, first):
    """Users come first in 2014, items in 2018, and a file may be called anything."""
    pairs = [("A1YJEY40YUW4SE", "B004756YJA"), ("A60XNB876KYML", "0001527665"), ("A3G6XNM240RMWA", "B004ZT0SSG")]
    lines = [[user, item] if first == "user" else [item, user] for user, item in pairs]
    text = "".join(",".join([*pair, "5.0", "86400"]) + "\n" for pair in lines)
    records = build("amazon-reviews").read(put(tmp_path, **{name: text}))

    assert [row[:2] for row in rows(records)] == pairs
    assert records.edition.name == {"user": "amazon-2014", "item": "amazon-2018"}[first]


def test_ratings_of_others_are_not_amazons(tmp_path):
    """Ratings are not recognised as Amazon's where neither ids nor the file name identify the columns."""
    put(tmp_path, **{"ratings.csv": "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n"})

    assert build("amazon-reviews").detect(tmp_path) is None


def test_no_stars_are_no_rating(tmp_path):
    """Amazon's stars are from 1 to 5: 0.0, which some published rows have, would be a sixth option to rate with."""
    put(tmp_path, **{"Toys.csv": BEAUTY_2023 + "AEC,B000000001,0.0,1588687729923\n"})

    with pytest.raises(RowError, match=r"Toys.csv:4: rating '0.0' is not a number from 1 to 5"):
        build("amazon-reviews").read(tmp_path)
    records = build("amazon-reviews", skip_bad_rows=True).read(tmp_path)
    assert ([row[2] for row in rows(records)], records.skipped.rows) == ([5.0, 4.0], 1)


def test_a_rating_that_hardly_occurs_is_no_option(tmp_path):
    """In any source: one 0 among two thousand ratings of 1 to 5 is a mistake, nine in ten thousand too; ten are not."""
    lines = [f"u{n},i{n % 7},{1 + n % 5},{n}\n" for n in range(2_000)]
    settings = {"rating": "rating", "timestamp": "time"}

    def made(*ratings):
        rare = [f"v{n},i1,{rating},{n}\n" for n, rating in enumerate(ratings)]
        source = put(tmp_path, **{"t.csv": "".join(["user,item,rating,time\n", *lines, *rare])}) / "t.csv"
        return Interactions.from_records(build("table", **settings).read(source), core=0)

    with pytest.raises(DataError) as caught:
        made(0).rated()
    assert str(caught.value) == (
        "only 1 of 2,001 interactions of t.csv have the rating 0, too few for an option of the task 'rating'; leave it out with "
        "min_rating, or correct the source"
    )
    assert [option.value for option in made(*[0] * 10).rated()[0].options] == [0, 1, 2, 3, 4, 5]


FLOATS = {"user": ["u", "v"], "item": [12.0, 7.0], "rating": [5.0, 4.0]}


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl"])
@pytest.mark.parametrize("swapped", [False, True])
def test_float_ids_beside_whole_numbers(tmp_path, name, swapped):
    """12.0 is item 12: programs without missing whole numbers write it so, in one of two files."""
    known = pl.DataFrame({"item": [12, 7], "title": ["Heat", "Up"]})
    table = pl.DataFrame(FLOATS)
    if swapped:
        known, table = (
            frame.with_columns(pl.col("item").cast(dtype)) for frame, dtype in ((known, float), (table, int))
        )
    write = {"t.csv": table.write_csv, "t.parquet": table.write_parquet, "t.jsonl": table.write_ndjson}[name]
    write(tmp_path / name)
    known.write_csv(tmp_path / "items.csv")
    records = build("table", items_file="items.csv", title="title").read(tmp_path / name)

    assert [row[1] for row in rows(records)] == ["12", "7"]
    assert items(records) == {"12": ("Heat", None), "7": ("Up", None)}


def test_ids_that_are_not_all_numbers_stay_as_they_are(tmp_path):
    """Ids that are not all numbers, such as versions, stay as they are."""
    put(tmp_path, **{"t.csv": "user,item\nu,1.0\nu,1.0b\n"})

    assert [row[1] for row in rows(build("table").read(tmp_path / "t.csv"))] == ["1.0", "1.0b"]


@pytest.mark.parametrize(("dtype", "exact"), [(pl.Float32, 2**24), (pl.Float64, 2**53)])
@pytest.mark.parametrize("more", [0, 2])
def test_float_ids_that_are_too_large(tmp_path, dtype, exact, more):
    """2⁵³ + 1 is stored as 2⁵³, and of 32-bit floats 2²⁴ + 1 as 2²⁴, so two items would be one."""
    pl.DataFrame({"user": ["u"], "item": pl.Series([exact + more], dtype=dtype)}).write_parquet(tmp_path / "t.parquet")

    with pytest.raises(DataError) as caught:
        build("table").read(tmp_path / "t.parquet")
    assert str(caught.value) == (
        f"{tmp_path / 't.parquet'} holds item ids in item as floats from {exact:,} on, where different ids are stored "
        "as one number; store them as whole numbers or text"
    )


def test_float_ids_below_that(tmp_path):
    """All integers below 2²⁴ are 32-bit floats."""
    pl.DataFrame({"user": ["u"], "item": pl.Series([2**24 - 1], dtype=pl.Float32)}).write_parquet(
        tmp_path / "t.parquet"
    )

    assert [row[1] for row in rows(build("table").read(tmp_path / "t.parquet"))] == ["16777215"]


def test_decimal_ids_are_whole_numbers(tmp_path):
    """Databases export 7 as the decimal 7.00."""
    frame = pl.DataFrame({"user": ["u"], "item": pl.Series(["7.00"]).cast(pl.Decimal(10, 2))})
    frame.write_parquet(tmp_path / "t.parquet")
    put(tmp_path, **{"items.csv": "item,title\n7,Up\n"})
    records = build("table", items_file="items.csv", title="title").read(tmp_path / "t.parquet")

    assert [row[1] for row in rows(records)] == ["7"]
    assert items(records) == {"7": ("Up", None)}


SHORT = pl.Series([1_577_880_000.0], dtype=pl.Float32)


@pytest.mark.parametrize(
    ("adapter", "frame", "settings"),
    [
        ("table", pl.DataFrame({"user": ["u"], "item": ["i"], "at": SHORT}), {"timestamp": "at"}),
        ("prepared", pl.DataFrame({"user": ["u"], "items": [["i"]], "at": SHORT.implode()}), {"timestamps": "at"}),
    ],
)
def test_times_as_short_floats_are_refused(tmp_path, adapter, frame, settings):
    """32-bit floats near 1,577,880,000 are 128 apart: two minutes would be one time, in an order of chance."""
    frame.write_parquet(tmp_path / "t.parquet")

    with pytest.raises(DataError) as caught:
        rows(build(adapter, **settings).read(tmp_path / "t.parquet"))
    assert str(caught.value) == (
        f"{tmp_path / 't.parquet'} holds times in at as Float32, in which times that are minutes apart are one number; "
        "store them as whole numbers, 64-bit floats or datetimes"
    )


JSON_LINES = (
    '{"user": "u", "item": "a", "title": "Up", "kind": ["Drama", "War"]}\n{"user": "u", "item": "b", "kind": []}\n'
)


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.jsonl", JSON_LINES), ("t.json", "[" + ",".join(JSON_LINES.splitlines()) + "]"), ("t.parquet", None)],
)
def test_lists_of_categories_are_several_categories(tmp_path, name, content):
    """As in a table in memory: each is one that can be filtered by."""
    if content is None:
        pl.read_ndjson(JSON_LINES.encode()).write_parquet(tmp_path / name)
    else:
        put(tmp_path, **{name: content})
    records = build("table", title="title", category="kind").read(tmp_path / name)

    assert items(records) == {"a": ("Up", "Drama|War"), "b": (None, None)}


def test_prepared_sequences_with_lists_of_categories(tmp_path):
    """The table of items of prepared sequences."""
    pl.DataFrame({"user": ["u"], "items": [["a"]]}).write_parquet(tmp_path / "part-0.parquet")
    pl.DataFrame({"item": ["a"], "category": [["Drama", "War"]]}).write_parquet(tmp_path / "items.parquet")

    assert items(build("prepared").read(tmp_path)) == {"a": (None, "Drama|War")}


@pytest.mark.parametrize(
    ("value", "kind"), [('{"en": "Up"}', "dict"), ('["Up", "High"]', "list")], ids=["translations", "several"]
)
@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_a_title_that_is_nested_is_refused(tmp_path, ending, value, kind):
    """Its JSON would be taken for the title."""
    line = f'{{"user": "u", "item": "a", "title": {value}}}'
    put(tmp_path, **{f"t.{ending}": line if ending == "jsonl" else f"[{line}]"})

    with pytest.raises(RowError) as caught:
        build("table", title="title").read(tmp_path / f"t.{ending}")
    assert str(caught.value) == f"{tmp_path}/t.{ending}:1: title is a JSON {kind}; it should be a text or a number"


def test_structures_are_no_ids(tmp_path):
    """A structure has a text in polars, such as {1,5}, which is no id."""
    items_of = pl.Series([[{"id": 1, "at": 5}]])
    pl.DataFrame({"user": ["u"], "items": items_of}).write_parquet(tmp_path / "t.parquet")

    with pytest.raises(DataError, match=r"the column 'items' holds Struct\(.*\), which is no text or number$"):
        rows(build("prepared").read(tmp_path / "t.parquet"))


INTER = "user_id:token\titem_id:token\tlabel:float\nu\t7\t1\n"


def test_the_title_is_the_field_of_that_name(tmp_path):
    """A brand is no title, though its field has the word in it and comes first."""
    put(
        tmp_path,
        **{"x.inter": INTER, "x.item": "item_id:token\tbrand_name:token\ttitle:token_seq\n7\tAcme\tA hammer\n"},
    )

    assert items(build("recbole").read(tmp_path)) == {"7": ("A hammer", None)}


@pytest.mark.parametrize("setting", ["rating", "timestamp", "items_list"])
def test_a_named_field_that_is_missing(tmp_path, setting):
    """A mistyped name would be read as data without ratings or times."""
    put(tmp_path, **{"x.inter": INTER})

    with pytest.raises(DataError) as caught:
        build("recbole", **{setting: "lable"}).read(tmp_path)
    assert (
        str(caught.value) == f"{tmp_path}/x.inter has no field 'lable' for {setting}; it has: user_id, item_id, label"
    )


def test_a_source_without_titles_says_so(tmp_path):
    """A source without titles is reported, and so are titles of other ids, which usually are a mistake."""
    put(tmp_path, **{"t.csv": "user,item\nu,a\nv,b\n", "items.csv": "item,title\nA,Heat\nB,Up\n"})
    remarks = [
        Interactions.from_records(build("table", **settings).read(tmp_path / "t.csv"), core=0).facts()["remarks"]
        for settings in ({}, {"items_file": "items.csv", "title": "title"})
    ]

    assert remarks == [
        "none of the 2 items has a title; the source has none",
        "none of the 2 items has a title; the source has titles for 2 other ids: do both write ids alike?",
    ]


HETREC = {
    "artists.dat": "id\tname\turl\tpictureURL\n52\tMorcheeba\t\t\n53\tAir\t\t\n",
    "user_taggedartists-timestamps.dat": "userID\tartistID\ttagID\ttimestamp\n2\t52\t13\t1238536800000\n3\t53\t14\t-428720400000\n",
}
DAYS = "userID\tartistID\ttagID\tday\tmonth\tyear\n2\t52\t13\t1\t4\t2009\n3\t53\t14\t1\t6\t1956\n"


def test_tags_of_1956(tmp_path):
    """They are in the published files: of the days, which are taken where both are there, as of the moments."""
    adapter = build("lastfm", events="tags")
    moments = rows(adapter.read(put(tmp_path, **HETREC)))
    days = rows(adapter.read(put(tmp_path, **{"user_taggedartists.dat": DAYS})))
    put(tmp_path, **{"user_taggedartists.dat": "", "user_taggedartists-timestamps.dat": ""})

    assert moments == [("2", "52", None, 1_238_536_800_000 / DAY), ("3", "53", None, -428_720_400_000 / DAY)]
    assert days == [("2", "52", None, 14_335.0), ("3", "53", None, -4_962.0)]


def test_moments_before_1900(tmp_path):
    """Times before 1900, which published files do not have, are bad rows."""
    text = HETREC["user_taggedartists-timestamps.dat"].replace("-428720400000", "-4287204000000")
    put(tmp_path, **HETREC)
    put(tmp_path, **{"user_taggedartists-timestamps.dat": text})

    with pytest.raises(RowError, match=r":3: timestamp '-4287204000000', as a time in ms, lies before 1900"):
        build("lastfm", events="tags").read(tmp_path)


RECBOLE_MS = {
    "recbole-ms.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t10\t5\t1433221332117\n"
    "1\t11\t4\t1433224214164\n2\t10\t3\t1433227005006\n",
    "recbole-ms.item": 'item_id:token\tname:token_seq\n10\t"Lisa ""Left Eye"" Lopes"\n11\tPlain Name\n',
}
RECBOLE_SHOP = {
    "recbole-shop.inter": "user_id:token\tproduct_id:token\ttimestamp:float\n1\t10\t1433221332\n2\t11\t1433224214\n",
    "recbole-shop.item": "id:token\ttitle:token_seq\n10\tFirst Game\n11\tSecond Game\n",
}


def test_recbole_in_milliseconds_and_with_quotes(tmp_path):
    """RecBole writes and reads with pandas, which doubles quotes within quotes."""
    records = build("recbole", timestamp_unit="ms").read(put(tmp_path, **RECBOLE_MS))
    plain = build("recbole", timestamp_unit="ms", quoted=False).read(tmp_path)

    assert rows(records)[0] == ("1", "10", 5.0, 1_433_221_332_117 / DAY)
    assert items(records) == {"10": ('Lisa "Left Eye" Lopes', None), "11": ("Plain Name", None)}
    assert items(plain)["10"] == ('"Lisa ""Left Eye"" Lopes"', None)
    with pytest.raises(RowError, match=r"timestamp:float '1433221332117', as a time in s, lies beyond the year 2200"):
        build("recbole").read(tmp_path)


def test_recbole_with_another_item_field(tmp_path):
    """Another item field is chosen by a setting; without it the error lists the fields."""
    settings = {"item": "product_id", "items_item": "id"}
    records = build("recbole", **settings).read(put(tmp_path, **RECBOLE_SHOP))

    assert items(records) == {"10": ("First Game", None), "11": ("Second Game", None)}
    with pytest.raises(DataError) as caught:
        build("recbole", item="product_id").read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'recbole-shop.item'} has no field 'product_id' for item ids; it has: id, title; name the field in "
        "items_item"
    )


LISTED = "user_id:token\titem_id_list:token_seq\titem_id:token\n"


def test_recbole_with_lists(tmp_path):
    """Each row holds a history and what came next, so that histories repeat: every interaction is read once."""
    files = {
        "b.train.inter": "u\ta b c\td\nu\ta b\tc\nv\tx\ty\n",
        "b.valid.inter": "u\tb c d\te\nv\tx y\tz\n",
        "b.test.inter": "u\ta b c d e\tf\n",
    }
    put(tmp_path, **{name: LISTED + text for name, text in files.items()})
    made = Interactions.from_records(build("recbole").read(tmp_path), core=0, order="file")
    sequences = split(made, "official")
    histories = {
        made.users[user]: "".join(made.items["item"][item] for item in history.tolist())
        for user, history in enumerate(sequences.upto("test"))
    }

    assert histories == {"u": "abcdef", "v": "xyz"}
    assert sorted(sequences.splits.tolist()) == [0] * 6 + [1] * 2 + [2]


def test_recbole_with_lists_that_do_not_go_on(tmp_path):
    """Lists that do not continue each other are refused: a shuffled list is no history."""
    put(tmp_path, **{"b.inter": LISTED + "u\ta b\tc\nu\tb a c\td\n"})

    with pytest.raises(DataError) as caught:
        build("recbole").read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'b.inter'}: the list in row 2 is not what its user did before; each row must hold all of it or its end, "
        "in one order"
    )
