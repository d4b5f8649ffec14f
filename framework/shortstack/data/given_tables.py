"""In-memory tables as a data source: the adapter ``table`` reads them like files, with all its checks and settings."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from shortstack.config.given import Given
from shortstack.contracts.column_names import USUAL
from shortstack.errors import ConfigurationError, DataError
from shortstack.frames import frame_of, is_table

if TYPE_CHECKING:
    import polars as pl

    from shortstack.config.run_tables import DataSettings

INTERACTIONS: Final = "interactions"
ITEMS: Final = "items"


@contextmanager
def readable(settings: "DataSettings") -> Iterator["DataSettings"]:
    """Write in-memory tables to temporary files inside the context, and yield settings that name them.

    Columns that the settings do not name are identified by their usual names.

    Raises:
        ConfigurationError: A table cannot be read, or has no column of users or items.
    """
    if settings.adapter != "table" or not isinstance(settings.source, Given):
        yield settings
        return
    tables = _tables(settings.source)
    with tempfile.TemporaryDirectory(prefix="shortstack-") as folder:
        adapter_settings = _completed(tables, settings.settings)
        _require_columns(tables[INTERACTIONS], adapter_settings)
        for name, frame in tables.items():
            _write(frame, Path(folder) / f"{name}.parquet")
        source = str(Path(folder) / f"{INTERACTIONS}.parquet")
        try:
            yield attrs.evolve(settings, source=source, settings=adapter_settings)
        except DataError as error:  # which names files that no longer exist when it is read
            named = str(error).replace(f"{folder}/{INTERACTIONS}.parquet", "the table of interactions")
            error.args = (named.replace(f"{folder}/{ITEMS}.parquet", "the table of items"),)
            raise


def _tables(source: Given) -> "dict[str, pl.DataFrame]":
    """Return the tables by name.

    Raises:
        ConfigurationError: What was given is no table.
    """
    value = source.value
    if is_table(value):
        return {INTERACTIONS: frame_of(value)}
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"data takes a path, a table of pandas, polars, Arrow or datasets, two of them as {INTERACTIONS!r} and {ITEMS!r}, or Records; "
            f"got a {type(value).__name__}"
        )
    if INTERACTIONS not in value or not value.keys() <= {INTERACTIONS, ITEMS}:
        raise ConfigurationError(
            f"data.source takes a table, or the tables {INTERACTIONS!r} and {ITEMS!r}, got {', '.join(map(repr, value))}"
        )
    return {name: frame_of(table) for name, table in value.items()}


def _completed(tables: "Mapping[str, pl.DataFrame]", settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the adapter's settings with what follows from the tables: names of columns, and the unit of dates and times."""
    completed = {**_columns(tables), **settings}
    dated = _is_moment(tables[INTERACTIONS].schema.get(completed.get("timestamp") or ""))
    return ({"timestamp_unit": "ms"} if dated and "timestamp_format" not in settings else {}) | completed


def _columns(tables: "Mapping[str, pl.DataFrame]") -> dict[str, Any]:
    """Return the names of the columns that have usual ones, as adapter settings."""
    column_names = _named(tables[INTERACTIONS], ("user", "item", "rating", "timestamp"))
    described = tables.get(ITEMS, tables[INTERACTIONS])
    column_names |= _named(described, ("title", "category"))
    if ITEMS in tables:
        column_names |= {
            "items_file": f"{ITEMS}.parquet",
            "items_item": _named(described, ("item",)).get("item", "item"),
        }
    return column_names


def _named(frame: "pl.DataFrame", roles: tuple[str, ...]) -> dict[str, str]:
    names_by_role = {role: [name for name in USUAL[role] if name in frame.columns] for role in roles}
    return {role: names[0] for role, names in names_by_role.items() if names}


def _require_columns(frame: "pl.DataFrame", settings: Mapping[str, Any]) -> None:
    for role in ("user", "item"):
        if settings.get(role, role) not in frame.columns:
            named = settings.get(role)
            if named is not None and named not in frame.columns and role in settings and named not in USUAL[role]:
                raise ConfigurationError(
                    f"data.settings names the column {named!r} for {role}s, and the table of interactions has {', '.join(frame.columns)}"
                )
            raise ConfigurationError(
                f"the table of interactions has no column that is usually called {role}; it has {', '.join(frame.columns)}: "
                f"name the column in data.settings, as in {{'{role}': {frame.columns[0]!r}}}"
            )


def _write(frame: "pl.DataFrame", path: Path) -> None:
    """Write a table to a file, without columns that hold objects or structures."""
    import polars as pl

    plain = [
        name for name, kind in frame.schema.items() if kind != pl.Object and not isinstance(kind, pl.Struct | pl.Array)
    ]
    frame.select(plain).write_parquet(path)


def _is_moment(kind: "pl.DataType | None") -> bool:
    import polars as pl

    return isinstance(kind, pl.Date | pl.Datetime)
