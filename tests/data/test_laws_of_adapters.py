"""Hypothesis writes tables in the format of each adapter that comes with shortstack, and damages them: in short here.

The whole of it, over every setting and ten seeds, is ``make test-kit``.
"""

import json

import pytest

from shortstack.registry import Registry
from shortstack.testing import check

ADAPTERS = ("movielens", "amazon-reviews", "lastfm", "mind", "yelp", "recbole", "sequences", "prepared", "table")
LAWS = ("rows-round-trip", "descriptions-round-trip", "damaged-files", "users-are-private", "bad-row", "line-ends")


@pytest.mark.parametrize("examples", [4, pytest.param(12, marks=pytest.mark.full)])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_what_is_written_is_read_and_what_is_damaged_is_reported(adapter, examples):
    """The conformance laws of round trips and of damaged files hold for every adapter."""
    outcomes = check(adapter, "dataset", laws=LAWS, examples=examples)

    assert {outcome.law for outcome in outcomes if outcome.status != "not-promised"} >= set(LAWS) - {
        "descriptions-round-trip"
    }
    assert [outcome.failure for outcome in outcomes if outcome.status == "failed"] == []


def test_half_of_a_surrogate_pair_in_a_products_id(tmp_path):
    """JSON can escape it and UTF-8 cannot hold it: it is spelt out, and no UnicodeEncodeError comes out."""
    review = {"rating": 5.0, "parent_asin": "a", "user_id": "u", "timestamp": 1_000}
    (tmp_path / "Toys.jsonl").write_text(json.dumps(review) + "\n", encoding="utf-8")
    products = [{"parent_asin": "\ud83d", "title": "Half", "categories": []}, {"parent_asin": "a", "title": "Whole"}]
    (tmp_path / "meta_Toys.jsonl").write_text("".join(json.dumps(p) + "\n" for p in products), encoding="utf-8")

    records = Registry.from_environment().build("dataset", "amazon-reviews").read(tmp_path)

    assert records.items.collect().select("item", "title").rows() == [("\\ud83d", "Half"), ("a", "Whole")]
