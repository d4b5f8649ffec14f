"""Files as programs and people change them: headers, float ids, other folders; each is read correctly or refused."""

import pytest
from sources import build, items, jsons, put, rows

from shortstack.errors import DataError, RowError

RATINGS = "userId,movieId,rating,timestamp\n"
MOVIES = 'movieId,title,genres\n1,Toy Story (1995),Comedy\n2,"American President, The",Drama\n'
USER, ARTIST = "00000c289a1829a808ac09c00daf10bc3c4e223b", "3bd73256-3905-4f3a-97e2-8b341527f805"
COUNTS = "usersha1-artmbid-artname-plays.tsv"
EVENTS = "userid-timestamp-artid-artname-traid-traname.tsv"


@pytest.mark.parametrize("of_ratings", [True, False])
@pytest.mark.parametrize("of_movies", [True, False])
def test_movielens_with_float_ids(tmp_path, of_ratings, of_movies):
    """Float ids, as written by programs without nullable integers, are read as integers, and titles are found."""
    ratings, movies = RATINGS + "1,1,4.0,86400\n1,2,3.5,172800\n", MOVIES
    if of_ratings:
        ratings = RATINGS + "1.0,1.0,4.0,86400.0\n1.0,2.00,3.5,172800.0\n"
    if of_movies:
        movies = movies.replace("\n1,", "\n1.0,").replace("\n2,", "\n2.0,")
    records = build("movielens").read(put(tmp_path, **{"ratings.csv": ratings, "movies.csv": movies}))

    assert rows(records) == [("1", "1", 4.0, 1), ("1", "2", 3.5, 2)]
    assert items(records) == {"1": ("Toy Story (1995)", "Comedy"), "2": ("American President, The", "Drama")}


@pytest.mark.parametrize("wrong", ["1.5", ".0", "1.0.0", "x.0", ""])
def test_movielens_with_ids_that_are_not_whole(tmp_path, wrong):
    """Fractional ids are bad rows, with and without others that are whole."""
    put(tmp_path, **{"ratings.csv": f"{RATINGS}1.0,1,4,86400\n1,{wrong},4,86400\n", "movies.csv": MOVIES})

    with pytest.raises(RowError, match=r"ratings\.csv:3: movieId .*a whole number$"):
        build("movielens").read(tmp_path)


def test_hetrec_with_float_ids(tmp_path):
    """Float ids are read as integers in this adapter, too."""
    plays = "userID\tartistID\tweight\n2\t51.0\t13\n"
    artists = "id\tname\turl\tpictureURL\n51\tDuran Duran\t\t\n"
    records = build("lastfm").read(put(tmp_path, **{"user_artists.dat": plays, "artists.dat": artists}))

    assert rows(records) == [("2", "51", 13.0, None)]
    assert items(records) == {"51": ("Duran Duran", None)}


def test_a_movie_that_is_listed_twice(tmp_path):
    """The first by title describes it, as in every other adapter."""
    ratings = f"{RATINGS}1,1,4,86400\n"
    records = build("movielens").read(put(tmp_path, **{"ratings.csv": ratings, "movies.csv": f"{MOVIES}1,Alien,War\n"}))

    assert records.items.collect().select("item", "title").rows() == [("1", "Alien"), ("2", "American President, The")]


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        (COUNTS, "user-mboxsha1\tmusicbrainz-artist-id\tartist-name\tplays", f"{USER}\t{ARTIST}\tbetty\t2137"),
        (COUNTS, "user_sha1\tartist_id\tartist_name\tplays", f"{USER}\t{ARTIST}\tbetty\t2137"),
        (COUNTS, "sha1\tartmbid\tartname\tplays", f"{USER}\t{ARTIST}\tbetty\t2137"),
        (EVENTS, "#id\tts\tmusicbrainz-artist-id\tartist-name\tmusicbrainz-track-id\ttrack-name", f"user_000001\t2009-05-04T23:08:57Z\t{ARTIST}\tbetty\t\tsong"),
        (EVENTS, "userid\ttimestamp\tartid\tartname\ttraid\ttraname", f"user_000001\t2009-05-04T23:08:57Z\t{ARTIST}\tbetty\t\tsong"),
    ],
)  # fmt: skip
def test_headers_of_listening_data(tmp_path, name, header, row):
    """The names that their README gives the columns, and those of the file's name, one of which holds a digit."""
    plain, headed = (put(tmp_path / kind, **{name: text}) for kind, text in (("p", row), ("h", f"{header}\n{row}")))
    expected, records = (build("lastfm").read(folder) for folder in (plain, headed))

    assert rows(records) == rows(expected)
    assert items(records) == items(expected) == {ARTIST: ("betty", None)}
    assert records.remarks == (
        f"{headed / name}: the first line is a header, which this format does not have, and was left out",
    )


BENCHMARK = "user_id,parent_asin,rating,timestamp\nU1,B00A,5.0,86400000\n"


@pytest.mark.parametrize(
    "source", ["", "benchmark", "benchmark/0core/rating_only", "benchmark/0core/rating_only/Toys.csv"]
)
def test_amazons_benchmark_beside_raw_metadata(tmp_path, source):
    """The publisher keeps ratings three folders deep and metadata in another branch: titles are found from anywhere."""
    metadata = jsons({"parent_asin": "B00A", "title": "Soap", "main_category": "Toys", "categories": []})
    put(
        tmp_path, **{"benchmark/0core/rating_only/Toys.csv": BENCHMARK, "raw/meta_categories/meta_Toys.jsonl": metadata}
    )
    records = build("amazon-reviews").read(tmp_path / source)

    assert rows(records) == [("U1", "B00A", 5.0, 1)]
    assert items(records) == {"B00A": ("Soap", "Toys")}


@pytest.mark.parametrize("name", ["Toys.csv", "ratings_Toys.csv"])
@pytest.mark.parametrize(("header", "row"), [("userId,productId", "17,44"), ("item,user", "44,17")])
def test_a_header_says_which_are_users(tmp_path, name, header, row):
    """Where ids are not Amazon's own, the header decides, whatever the file name; times may be floats."""
    text = f"{header},rating,timestamp\n{row},5.0,86400.0\n"
    records = build("amazon-reviews").read(put(tmp_path, **{name: text}))

    assert rows(records) == [("17", "44", 5.0, 1)]


def test_a_users_number_is_no_book(tmp_path):
    """A header takes precedence over ids that look like ISBNs; ten digits without a valid check digit are no ISBN."""
    headed = put(tmp_path, **{"Books.csv": "item,user,rating,timestamp\n44,2147000000,5.0,86400\n"})
    bare = put(tmp_path / "bare", **{"Books.csv": "44,2147000001,5.0,86400\n"})

    assert rows(build("amazon-reviews").read(headed)) == [("2147000000", "44", 5.0, 1)]
    assert rows(build("amazon-reviews").read(bare)) == [("2147000001", "44", 5.0, 1)]


def test_histories_of_news_with_blanks(tmp_path):
    """Two blanks between articles, or one at the end, are no article without a name."""
    news = "".join(f"N{number}\tnews\tus\tTitle\t\t\t[]\t[]\n" for number in (1, 2))
    behaviors = "1\tU1\t11/15/2019 8:55:22 AM\tN1  N2 \tN1-0 N2-1\n2\tU1\t11/15/2019 8:56:22 AM\t \tN1-1\n"
    records = build("mind").read(put(tmp_path, **{"behaviors.tsv": behaviors, "news.tsv": news}))

    assert records.impressions.collect()["history"].to_list() == [["N1", "N2"], []]


MIXED = "ids are separated by tabs and by blanks, as if this were a table; if they are not, set separator"


@pytest.mark.parametrize("line", ["1\tThe Matrix\tAction", "1\tx\tThe Matrix", "1 2\t3", "1 2\t3 4"])
def test_a_table_is_no_file_of_histories(tmp_path, line):
    """Words of a title are no items; the file is not recognised, and reading it names the line."""
    source = put(tmp_path, **{"a.txt": f"{line}\n"}) / "a.txt"

    assert build("sequences").detect(source) is None
    with pytest.raises(RowError) as caught:
        build("sequences").read(source)
    assert str(caught.value) == f"{source}:1: {MIXED}"


@pytest.mark.parametrize(
    ("name", "text", "is_one"),
    [
        ("a.txt", "1\t10 11\n2\t12 \n", True),
        ("a.txt", "1 10 11\t\n", True),
        ("a.txt", "1 10\n1 11\nbad\n", True),
        ("a.txt", "196\t242\t3\t881250949\n196\t302\t3\t891717742\n", False),
        ("a.txt", "\n\n", False),
        ("a.json", '{"u": ["x"]', True),
        ("a.json", ' {"a\\"b" : [', True),
        ("a.json", "{}", True),
        ("a.json", '{"instruction": "Given"}', False),
        ("a.json", '[{"u": ["x"]}]', False),
    ],
)
def test_files_of_histories_are_told_by_their_beginning(tmp_path, name, text, is_one):
    """Endings say little: most of its first lines are users and items, or an object begins with a list."""
    assert (build("sequences").detect(put(tmp_path, **{name: text})) is not None) == is_one


@pytest.mark.parametrize("header", ["user_id item_id", "user\titem", "uid asin"])
def test_a_header_over_histories(tmp_path, header):
    """A header is skipped and reported; ids that only begin like column names stay."""
    source = put(tmp_path, **{"a.txt": f"{header}\nuser1 item1\nuser1 item2\n"}) / "a.txt"
    records = build("sequences").read(source)

    assert rows(records) == [("user1", "item1", None, None), ("user1", "item2", None, None)]
    assert records.remarks == (f"{source}: the first line is a header, and was left out",)


def test_a_field_under_two_types(tmp_path):
    """The column is ambiguous, which is an error only if it is read."""
    text = "user_id:token\titem_id:token\titem_id:float\tx:token\tx:float\n1\t2\t3\t4\t5\n"
    source = put(tmp_path, **{"a.inter": text})

    with pytest.raises(DataError) as caught:
        build("recbole").read(source)
    assert str(caught.value) == (
        f"{source / 'a.inter'} has 2 fields called 'item_id' (item_id:token, item_id:float); rename one"
    )
    put(tmp_path, **{"a.inter": text.replace("item_id:float", "y:float")})
    assert rows(build("recbole").read(source)) == [("1", "2", None, None)]


def test_one_file_of_several(tmp_path):
    """For one file of several the error names its folder; not so for a file that belongs to no dataset."""
    put(tmp_path, **{"ratings.csv": RATINGS + "1,1,4,86400\n", "movies.csv": MOVIES, "other/ratings.csv": RATINGS})

    with pytest.raises(DataError, match=rf"or ratings\.csv and movies\.csv; name its folder, {tmp_path}$"):
        build("movielens").read(tmp_path / "ratings.csv")
    with pytest.raises(DataError, match=r"or ratings\.csv and movies\.csv$"):
        build("movielens").read(tmp_path / "other" / "ratings.csv")


def test_an_object_in_utf_16(tmp_path):
    """UTF-16 is refused like every other encoding, by detection and by reading."""
    source = put(tmp_path, **{"a.json": '{"u": ["x"]}'.encode("utf-16")}) / "a.json"

    for look in (build("sequences").read, build("sequences").detect):
        with pytest.raises(DataError, match=r"a\.json is UTF-16; write it as UTF-8"):
            look(source)


@pytest.mark.parametrize("source", [".", "behaviors.tsv", "../MINDsmall_dev"])
def test_news_in_the_folder_that_the_command_is_typed_in(tmp_path, monkeypatch, source):
    """The folder's own name tells the split, though no part of the path does."""
    news, behaviors = "N1\tnews\tus\tTitle\t\t\t[]\t[]\n", "1\tU1\t11/15/2019 8:55:22 AM\t\tN1-1\n"
    put(tmp_path / "MINDsmall_dev", **{"behaviors.tsv": behaviors, "news.tsv": news})
    monkeypatch.chdir(tmp_path / "MINDsmall_dev")

    assert build("mind").read(source).impressions.collect()["split"].to_list() == ["valid"]


REVIEWED = {
    "All_Beauty.jsonl": '{"user_id": "u", "parent_asin": "a", "rating": 5.0, "timestamp": 1588687728923}\n',
    "meta_All_Beauty.jsonl": '{"parent_asin": "a", "title": "Soap"}\n',
}
SPLIT = {
    f"Beauty.{part}.csv": f"user_id,parent_asin,rating,timestamp\nu,{part},5.0,1588687728923\n"
    for part in ("train", "valid", "test")
}
TIPPED = {
    "yelp_academic_dataset_tip.json": '{"user_id": "u", "business_id": "b", "text": "", "date": "2012-07-14"}\n',
    "yelp_academic_dataset_business.json": '{"business_id": "b", "name": "Cafe", "categories": "Food"}\n',
}
NEWS, SHOWN = "N1\tnews\tus\tTitle\t\t\t[]\t[]\n", "1\tU1\t11/15/2019 8:55:22 AM\t\tN1-1\n"


@pytest.mark.parametrize(
    ("adapter", "files", "twice"),
    [
        ("mind", {"behaviors.tsv": SHOWN, "news.tsv": NEWS}, "behaviors.tsv"),
        ("mind", {"behaviors.tsv": SHOWN, "news.tsv": NEWS}, "news.tsv"),
        (
            "recbole",
            {"x.inter": "user_id:token\titem_id:token\nu\ta\n", "x.item": "item_id:token\ttitle:token_seq\na\tHeat\n"},
            "x.item",
        ),
        ("lastfm", {EVENTS: f"u\t2009-05-04T23:08:57Z\t{ARTIST}\tbetty\t\tsong\n"}, EVENTS),
        ("lastfm", {COUNTS: f"{USER}\t{ARTIST}\tbetty\t2137\n"}, COUNTS),
        ("amazon-reviews", REVIEWED, "All_Beauty.jsonl"),
        ("amazon-reviews", SPLIT, "Beauty.train.csv"),
        ("yelp", TIPPED, "yelp_academic_dataset_business.json"),
        ("amazon-reviews", REVIEWED, "meta_All_Beauty.jsonl"),
    ],
)
def test_a_file_beside_its_compressed_copy(tmp_path, adapter, files, twice):
    """Both together are ambiguous, since their contents may differ; alone, each is read."""
    put(tmp_path / "plain", **files)
    put(tmp_path / "packed", **{f"{name}.gz" if name == twice else name: text for name, text in files.items()})
    put(tmp_path / "both", **files, **{f"{twice}.gz": files[twice]})

    assert rows(build(adapter).read(tmp_path / "plain")) == rows(build(adapter).read(tmp_path / "packed"))
    with pytest.raises(DataError, match=rf"both/{twice} is there as {twice} and as {twice}\.gz; keep one of them$"):
        build(adapter).read(tmp_path / "both")
