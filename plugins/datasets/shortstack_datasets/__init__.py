"""The dataset adapters that come with shortstack. Importing this imports no polars."""

from collections.abc import Iterator

from shortstack.contracts import DatasetDescriptor
from shortstack.hooks import hookimpl
from shortstack_datasets import movielens, table


@hookimpl
def shortstack_datasets() -> Iterator[DatasetDescriptor]:
    """MovieLens in its official formats, and any table with named columns."""
    yield movielens.DESCRIPTOR
    yield table.DESCRIPTOR
