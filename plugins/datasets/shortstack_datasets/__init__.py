"""The dataset adapters that come with shortstack. Importing this imports no polars."""

from collections.abc import Iterator

from shortstack.contracts import DatasetDescriptor
from shortstack.hooks import hookimpl
from shortstack_datasets import amazon, lastfm, mind, movielens, recbole, sequences, table, yelp


@hookimpl
def shortstack_datasets() -> Iterator[DatasetDescriptor]:
    """Films, products, music, news and places in their official formats, and any table with named columns, and plain histories."""
    yield from (module.DESCRIPTOR for module in (movielens, amazon, lastfm, mind, yelp, recbole, sequences, table))
