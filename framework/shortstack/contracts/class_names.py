"""Classes of ``datasets`` by their names, as categories of other libraries are read."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def with_class_names(frame: "pl.DataFrame", features: Mapping[str, Any]) -> "pl.DataFrame":
    """Return a frame with the name of each class as text, where ``datasets`` stores a number for it.

    The number means nothing without the names: of the classes "1" to "5" it is one less than the rating.

    Args:
        frame: Columns of a data set; those of a ``ClassLabel``, or of lists of them, hold numbers. −1 stands for no class.
        features: The data set's features.
    """
    import datasets
    import polars as pl

    named = []
    for column in frame.columns:
        in_lists = isinstance(features[column], datasets.List | datasets.LargeList)
        kind = features[column].feature if in_lists else features[column]
        if isinstance(kind, datasets.ClassLabel):
            number = pl.element() if in_lists else pl.col(column)
            name = number.replace_strict(range(len(kind.names)), kind.names, default=None, return_dtype=pl.String)
            lists = pl.col(column).arr.to_list() if isinstance(frame.schema[column], pl.Array) else pl.col(column)
            named.append(lists.list.eval(name) if in_lists else name)
    return frame.with_columns(named)
