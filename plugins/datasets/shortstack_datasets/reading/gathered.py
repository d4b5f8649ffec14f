"""Tables that are read some rows at a time and then lie in memory whole, each text once."""

from collections.abc import Iterable

import polars as pl


def gathered(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join frames of the same columns, their texts as ``Enum``; at least one.

    >>> gathered([pl.DataFrame({"user": ["b", "a"]}), pl.DataFrame({"user": ["a", None]})])["user"].to_list()
    ['b', 'a', 'a', None]
    """
    parts = [_coded(frame).get_columns() for frame in frames]
    columns = []
    while parts[0]:  # column by column, so that only one is there twice
        columns.append(_joined([part.pop(0) for part in parts]))
    return pl.DataFrame(columns)


def without_codes(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with texts in place of codes."""
    kinds = frame.schema.items()
    return frame.with_columns(pl.col(name).cast(pl.String) for name, kind in kinds if isinstance(kind, pl.Enum))


def _coded(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        column.cast(pl.Enum(column.drop_nulls().unique().sort())) for column in frame if column.dtype == pl.String
    )


def _joined(columns: list[pl.Series]) -> pl.Series:
    kinds = [column.dtype for column in columns]
    texts = [kind.categories for kind in kinds if isinstance(kind, pl.Enum)]
    if len(columns) > 1 and texts:
        # as texts themselves: which numbers become codes by a cast depends on the version of polars
        every = pl.Enum(pl.concat(texts).unique().sort())
        columns = [_recoded(column, known.cast(every)) for column, known in zip(columns, texts, strict=True)]
    return pl.concat(columns, rechunk=True)


def _recoded(column: pl.Series, known: pl.Series) -> pl.Series:
    """Return a column whose codes are places in ``known``."""
    if known.is_empty():
        return column.cast(pl.String).cast(known.dtype)
    return known.gather(column.to_physical()).alias(column.name)
