"""Conversion of tables of any library to polars frames, and hashing of their content."""

from typing import TYPE_CHECKING, Any, Final

from shortstack.contracts.class_names import with_class_names
from shortstack.errors import ConfigurationError

if TYPE_CHECKING:
    from hashlib import _Hash

    import polars as pl

_ROWS: Final = 1_000_000
"""Number of rows of a text column that are hashed at once."""
_LIBRARIES: Final = frozenset({"polars", "pandas", "pyarrow", "datasets"})


def is_table(value: object) -> bool:
    """Return True for a table: of polars (lazy too), pandas, Arrow, or one split of ``datasets``.

    >>> is_table([1, 2])
    False
    """
    return type(value).__module__.partition(".")[0] in _LIBRARIES and any(
        base.__name__ in {"DataFrame", "LazyFrame", "Table", "Dataset"} for base in type(value).__mro__
    )


def is_column(value: object) -> bool:
    """Return whether an object is a column of polars or pandas."""
    return type(value).__module__.partition(".")[0] in _LIBRARIES and type(value).__name__ == "Series"


def frame_of(value: Any) -> "pl.DataFrame":
    """Convert a table to a polars frame; memory is shared where possible.

    Raises:
        ConfigurationError: It is no table, or one that polars cannot hold.

    >>> import polars as pl
    >>> frame_of(pl.LazyFrame({"user": [1]})).shape
    (1, 1)
    """
    import polars as pl

    try:
        match type(value).__module__.partition(".")[0]:
            case "polars":
                return value.collect() if isinstance(value, pl.LazyFrame) else pl.DataFrame(value)
            case "pandas":
                table = value.to_frame(str(value.name)) if is_column(value) else value
                indexed = any(name is not None for name in table.index.names)
                return pl.from_pandas(_in_named_zones(table), include_index=indexed)
            case "pyarrow":
                return _of_arrow(value)
            case "datasets":
                return with_class_names(_of_arrow(value.with_format("arrow")[:]), value.features)
    except Exception as error:  # polars and Arrow raise many kinds
        # their messages quote values, and with them users' ids
        raise ConfigurationError(
            f"the {type(value).__name__} cannot be read as a table: {_obstacle(value) or type(error).__name__}"
        ) from error
    raise ConfigurationError(
        f"a {type(value).__name__} is no table; give a DataFrame of pandas or polars, a table of Arrow, or a split of datasets"
    )


def _in_named_zones(table: Any) -> Any:
    """Return a table of pandas whose times in a zone without a name, such as +05:30, are in UTC: polars knows zones by name alone."""
    places = [place for place, kind in enumerate(table.dtypes) if _is_in_an_unnamed_zone(kind)]
    table = table.copy(deep=False) if places else table
    for place in places:
        table.isetitem(place, table.iloc[:, place].dt.tz_convert("UTC"))
    if _is_in_an_unnamed_zone(getattr(table.index, "dtype", None)):
        table = table.set_axis(table.index.tz_convert("UTC"), axis=0)
    return table


def _is_in_an_unnamed_zone(kind: Any) -> bool:
    """Return True for a type of times whose zone has no name of the IANA's: ``zoneinfo`` calls it ``key``, ``pytz`` ``zone``."""
    zone = getattr(kind, "tz", None)
    return zone is not None and not (getattr(zone, "key", None) or getattr(zone, "zone", None))


def _of_arrow(table: Any) -> "pl.DataFrame":
    """Convert a table of Arrow; times with an offset are converted to UTC, as those of pandas are."""
    import polars as pl
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and (field.type.tz or "").startswith(("+", "-")):
            moments = table.column(place).cast(pa.timestamp(field.type.unit, "UTC"))
            table = table.set_column(place, field.name, moments)
    return pl.DataFrame(pl.from_arrow(table))


def _obstacle(value: Any) -> str:
    """Return in words why a table of pandas is none of polars; empty if it does not show in its columns."""
    import polars as pl

    if type(value).__module__.partition(".")[0] != "pandas" or is_column(value):
        return ""
    if not value.columns.is_unique:
        return "two of its columns have one name; rename one"
    for place, name in enumerate(value.columns):
        try:
            pl.from_pandas(value.iloc[:, [place]])
        except Exception:  # noqa: BLE001 -- as above; here it is found in which column
            kinds = sorted({type(one).__name__ for one in value.iloc[:, place].dropna()})
            held = f"the type {kinds[0]}" if len(kinds) == 1 else f"several types ({', '.join(kinds)})"
            return f"its column {str(name)!r} holds values of {held}; make all of them texts, numbers or times, as with .astype(str)"
    return ""


def hash_column(hashed: "_Hash", column: "pl.Series") -> None:
    """Add a column to a hash: its name, type and length, where it is null, and its values.

    The hash depends on the values alone, not on the version of polars or the number of its threads.
    """
    import polars as pl

    hashed.update(f"\0{column.name}\0{column.dtype}\0{len(column)}\0".encode())
    hashed.update(column.is_null().to_numpy().tobytes())
    kind = column.dtype
    if isinstance(kind, pl.List):
        hash_column(hashed, column.list.len())
        hash_column(hashed, column.drop_nulls().filter(column.drop_nulls().list.len() > 0).explode())
    elif isinstance(kind, pl.Array):
        hash_column(hashed, column.arr.to_list())
    elif isinstance(kind, pl.Struct):
        for field in column.struct.unnest():
            hash_column(hashed, field)
    elif kind in {pl.Int128, pl.Decimal} or isinstance(kind, pl.Decimal):
        _hash_texts(hashed, column.cast(pl.String))
    elif kind.is_numeric() or kind == pl.Boolean:
        hashed.update(column.fill_null(strategy="zero").to_numpy().tobytes())
    elif kind == pl.Binary:
        _hash_texts(hashed, column.bin.encode("hex"))
    elif kind == pl.Object:
        raise ConfigurationError(f"the column {column.name!r} holds Python objects; give numbers, texts or times")
    else:
        _hash_texts(hashed, column.cast(pl.Int64).cast(pl.String) if kind.is_temporal() else column.cast(pl.String))


def _hash_texts(hashed: "_Hash", texts: "pl.Series") -> None:
    """Add the lengths and the characters separately: concatenations of different columns may be equal."""
    for start in range(0, len(texts), _ROWS):
        part = texts.slice(start, _ROWS).fill_null("")
        hashed.update(part.str.len_bytes().to_numpy().tobytes())
        hashed.update(part.str.join("").item().encode())
