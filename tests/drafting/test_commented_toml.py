"""Tables as TOML with comments: they read back as they were."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortstack.drafting.commented_toml import commented_toml
from shortstack.errors import ConfigurationError

TEXTS = st.text(st.sampled_from("a.é日 #=\"'\\\n\t\r\x00\x7f\u2028😀"), max_size=6)
SCALARS = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2), max_leaves=4
)


@settings(max_examples=50)
@given(tables=st.dictionaries(TEXTS, VALUES | st.dictionaries(TEXTS, VALUES, max_size=2), max_size=3))
def test_any_tables(tables):
    """Whatever the names and texts, TOML means the same values."""
    assert tomllib.loads(commented_toml(tables, {})) == tables


def test_comments():
    """Each meaning stands above its setting or table, in lines of bounded length; what is None is left out."""
    text = commented_toml(
        {"data": {"core": 5, "since": None}}, {"data": "The data.", "data.core": "``core`` " + "word " * 30}
    )

    assert text.splitlines()[:4] == ["# The data.", "[data]", "", f"# core{' word' * 19}"]
    assert all(len(line) <= 102 for line in text.splitlines())
    assert text.endswith("\ncore = 5")


def test_half_a_character():
    """A file name that is no text cannot stand in a file."""
    with pytest.raises(ConfigurationError, match="is no text that a TOML file can hold; rename it"):
        commented_toml({"data": {"source": "a\udcff"}}, {})
