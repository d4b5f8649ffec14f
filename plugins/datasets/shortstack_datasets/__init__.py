"""The dataset adapters that come with shortstack. Importing this imports no polars."""

from collections.abc import Iterator

from shortstack.contracts import DatasetDescriptor
from shortstack.hooks import hookimpl
from shortstack_datasets import amazon, lastfm, mind, movielens, prepared, recbole, sequences, table, yelp


@hookimpl
def shortstack_datasets() -> Iterator[DatasetDescriptor]:
    """Films, products, music, news and places in their official formats; any table, plain histories, prepared sequences."""
    modules = (movielens, amazon, lastfm, mind, yelp, recbole, sequences, prepared, table)
    yield from (module.DESCRIPTOR for module in modules)
