"""Every folder of real interactions is read with the figures that its README gives; the others are refused."""

import polars as pl
import pytest

from shortstack.data.interactions import Interactions
from shortstack.errors import DataError, UnknownNameError
from shortstack.registry import Registry

FOLDERS = [
    ("movielens", "movielens/ml-100k", {}, "ml-100k", (943, 1_682, 100_000)),
    ("movielens", "movielens/ml-latest-small-2016", {}, "ml-latest-small-2016", (671, 9_066, 100_004)),
    ("movielens", "movielens/ml-1m-sample100k", {}, "movielens-dat", (5_958, 3_312, 100_000)),
    ("recbole", "recbole/ml-100k", {}, "ml-100k", (943, 1_682, 100_000)),
    ("amazon-reviews", "amazon/2014-musical_instruments", {}, "amazon-2014", (1_429, 900, 10_261)),
    ("amazon-reviews", "amazon/2018-gift_cards", {}, "amazon-2018", (458, 148, 2_972)),
    ("amazon-reviews", "amazon/2018-appliances", {}, "amazon-2018", (47, 48, 2_277)),
    ("amazon-reviews", "amazon/2023-all_beauty", {}, "amazon-2023", (253, 356, 2_535)),
    ("amazon-reviews", "amazon/2023-multi-category-sample", {}, "amazon-2023", (598, None, 598 * 4)),
    ("lastfm", "lastfm/hetrec2011-lastfm-2k", {}, "hetrec2011-lastfm-2k", (1_892, 17_632, 92_834)),
    ("lastfm", "lastfm/hetrec2011-lastfm-2k", {"events": "tags"}, "hetrec2011-lastfm-2k", (None, None, 186_479)),
    ("lastfm", "lastfm/lfm-1k-sample", {}, "lfm-1k", (2, None, 5_000)),
    ("lastfm", "lastfm/lfm-1k-sample", {"item": "track"}, "lfm-1k", (2, None, 5_000)),
    ("mind", "mind/small-sample", {}, "MIND", (None, None, None)),
    ("yelp", "yelp/2015-boston", {}, "yelp-tips", (1_502, 1_238, 5_372)),
    ("yelp", "yelp/2022-head1000", {}, "yelp-reviews", (993, 822, 999)),
]


def read(adapter, source, **settings):
    """Read a source by its adapter's name, as a run does."""
    return Registry.from_environment().build("dataset", adapter, settings).read(source)


@pytest.mark.parametrize(("adapter", "folder", "settings", "edition", "sizes"), FOLDERS)
def test_sizes_are_as_published(shared_data, adapter, folder, settings, edition, sizes):
    """Users, items and rows, with nothing filtered; and the edition."""
    records = read(adapter, shared_data / folder, **settings)
    made = Interactions.from_records(records, core=0)
    counts = (len(made.users), len(made.items), len(made))

    assert records.edition.name == edition
    assert Registry.from_environment().build("dataset", adapter, settings).detect(shared_data / folder).name == edition
    assert [actual for actual, expected in zip(counts, sizes, strict=True) if expected is not None] == [
        expected for expected in sizes if expected is not None
    ]
    assert records.skipped.rows == 0


@pytest.mark.parametrize(
    ("folder", "rows", "duplicates"), [("2018-appliances", 2_277, 2_094), ("2018-gift_cards", 2_972, 7)]
)
def test_repeated_reviews_are_as_published(shared_data, folder, rows, duplicates):
    """README: Appliances is nearly all repeats."""
    facts = Interactions.from_records(read("amazon-reviews", shared_data / "amazon" / folder), core=0).facts()

    assert (facts["interactions"], facts["duplicate_pairs"]) == (rows, duplicates)


def test_several_categories_at_once(shared_data):
    """Each row keeps its category; categories can be selected, and a mistyped one gets a suggestion."""
    source = shared_data / "amazon" / "2023-multi-category-sample"
    rows = read("amazon-reviews", source).interactions.collect()
    few = read("amazon-reviews", source, categories=["Automotive", "Electronics"])

    assert rows["category"].n_unique() == 23
    assert set(rows["category"].value_counts()["count"]) == {26 * 4}
    assert set(few.interactions.collect()["category"]) == {"Automotive", "Electronics"}
    assert few.edition.facts["categories"] == "Automotive, Electronics"
    with pytest.raises(UnknownNameError, match=r"Amazon category 'Automotiv'; did you mean 'Automotive'"):
        read("amazon-reviews", source, categories=["Automotiv"])


def test_categories_of_two_years_at_once(shared_data, tmp_path):
    """Categories in nested folders are read together."""
    for name in ("2014-musical_instruments", "2018-gift_cards"):
        (tmp_path / name).symlink_to(shared_data / "amazon" / name)
    records = read("amazon-reviews", tmp_path)

    assert records.edition.name == "amazon-2014+2018"
    assert len(records.interactions.collect()) == 2_972 + 10_261


@pytest.mark.parametrize(
    ("adapter", "folder", "settings", "titled"),
    [
        ("amazon-reviews", "amazon/2018-gift_cards", {}, 1.0),
        ("amazon-reviews", "amazon/2023-all_beauty", {}, 1.0),
        ("amazon-reviews", "amazon/2014-musical_instruments", {}, 0.0),
        ("lastfm", "lastfm/hetrec2011-lastfm-2k", {}, 1.0),
        ("lastfm", "lastfm/lfm-1k-sample", {}, 1.0),
        ("yelp", "yelp/2015-boston", {}, 1.0),
        ("yelp", "yelp/2022-head1000", {}, 0.08),
        ("recbole", "recbole/ml-100k", {}, 1.0),
        ("mind", "mind/small-sample", {}, 0.0),
    ],
)
def test_items_have_their_titles(shared_data, adapter, folder, settings, titled):
    """The share of items with a title; no title holds HTML."""
    made = Interactions.from_records(read(adapter, shared_data / folder, **settings), core=0)
    titles = made.items["title"]

    assert 1 - titles.null_count() / len(titles) == pytest.approx(titled, abs=0.05)
    assert not titles.drop_nulls().str.contains(r"<\w|&amp;|&#").any()


def test_mind_is_as_published(shared_data):
    """README: 5,000 impressions, 107 without a history, 2 … 283 candidates; 2,000 news; 175 clicks with a news row."""
    records = read("mind", shared_data / "mind" / "small-sample")
    impressions, news = records.impressions.collect(), records.items.collect()
    clicks = records.interactions.collect()
    shown = impressions["shown"].list.len()

    assert (len(impressions), len(news)) == (5_000, 2_000)
    assert (impressions["history"].list.len() == 0).sum() == 107
    assert (shown.min(), shown.max()) == (2, 283)
    assert clicks["item"].is_in(news["item"].implode()).sum() == 175
    assert len(clicks) == impressions["clicked"].list.sum().sum()
    assert impressions["shown"].list.len().equals(impressions["clicked"].list.len())


def test_music_is_as_published(shared_data):
    """Play counts up to 352,698; tags of bogus years; every artist that was tagged has a tag."""
    source = shared_data / "lastfm" / "hetrec2011-lastfm-2k"
    plays, tags = read("lastfm", source), read("lastfm", source, events="tags")
    rows = tags.interactions.collect()

    assert plays.interactions.collect()["rating"].max() == 352_698
    assert rows.select("user", "item").n_unique() == 71_064
    assert rows.filter(pl.col("timestamp") < 0).height > 0
    assert plays.items.filter(title="Radiohead").collect()["category"].to_list() == ["alternative"]


def test_sessions_of_listening_events(shared_data):
    """A pause of half an hour begins a session; no event is lost, and no session has a longer pause."""
    rows = read("lastfm", shared_data / "lastfm" / "lfm-1k-sample", session_minutes=30).interactions.collect()
    pauses = rows.sort("user", "timestamp").select(pl.col("timestamp").diff().over("user"))["timestamp"]

    assert len(rows) == 5_000
    assert rows["user"].n_unique() > 100
    assert pauses.max() <= 30 * 60_000


@pytest.mark.parametrize("folder", ["lastfm/lfm-360k-sample", "prompts/tallrec-movie"])
def test_what_holds_no_interactions_is_refused(shared_data, folder):
    """Every adapter refuses it in one line; only `table` recognises it, as it accepts any folder of tables."""
    registry = Registry.from_environment()
    for component in registry.components:
        if component.kind == "dataset" and component.origin.id.startswith("shortstack"):
            adapter = registry.build("dataset", component.full_name)
            assert component.descriptor.name == "table" or adapter.detect(shared_data / folder) is None
            with pytest.raises(DataError) as caught:
                adapter.read(shared_data / folder)
            assert "\n" not in str(caught.value)
