"""Hypothesis writes tables in the format of each adapter that comes with shortstack, and damages them: in short here.

The whole of it, over every setting and ten seeds, is ``make test-kit``.
"""

import pytest

from shortstack.testing import check

ADAPTERS = ("movielens", "amazon-reviews", "lastfm", "mind", "yelp", "recbole", "sequences", "table")
LAWS = ("rows-round-trip", "descriptions-round-trip", "damaged-files", "users-are-private", "bad-row", "line-ends")


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_what_is_written_is_read_and_what_is_damaged_is_told(adapter):
    """Laws 51 and 56."""
    outcomes = check(adapter, "dataset", laws=LAWS, examples=12)

    assert {outcome.law for outcome in outcomes if outcome.status != "not-promised"} >= set(LAWS) - {
        "descriptions-round-trip"
    }
    assert [outcome.failure for outcome in outcomes if outcome.status == "failed"] == []
