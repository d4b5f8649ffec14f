"""Checks of tables against the contract of dataset adapters."""

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from shortstack.errors import DataError

COLUMNS = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
OPTIONAL = {"split": pl.String, "category": pl.String}
ITEM_COLUMNS = dict.fromkeys(("item", "title", "category", "text"), pl.String)
SPLITS = ("train", "valid", "test")
_YEAR_1971 = 31_536_000_000
_YEAR_1980 = 315_532_800_000
_YEAR_1 = -62_135_596_800_000
_YEAR_10000 = 253_402_300_800_000
"""Milliseconds since 1970: numbers outside of these are not dates, and so in another unit."""

_NO_VALUES = ("", "nan", "null", "none", "na", "n/a", "<na>", "nat", "nil")
"""What programs write where a value is missing."""
_UNSEEN = r"[\u00ad\u200b-\u200f\u2060\ufeff]"
"""Soft hyphens, and characters without width."""
_POWER = r"^\d(\.\d+)?[eE]\+\d+$"
"""With its sign, which hexadecimal ids do not have."""
_WRONG_DECODING = r"[\u0080-\u009f]|[\u00c2-\u00c5][\u00a0-\u00bf]"
"""Control characters that no one types, or the bytes of a letter in UTF-8, each taken for one letter."""
_FEW_ROWS = 10
"""Of fewer rows each may be there twice on purpose."""


def check(raw: pl.DataFrame) -> None:
    """Raise if a table of interactions, coded or not, violates the contract.

    Raises:
        DataError: A value is invalid; names the column and the first row, never a user.
    """
    _check_columns(
        raw, COLUMNS | {name: dtype for name, dtype in OPTIONAL.items() if name in raw.columns}, "interactions"
    )
    for name in ("user", "item"):
        missing = raw[name].is_null() | _is_empty(raw[name])
        if missing.any():
            raise DataError(
                f"the column {name!r} of the interactions is empty in row {_first(missing)}; every row needs one"
            )
    infinite = ~raw["rating"].is_finite().fill_null(value=True)
    if infinite.any():
        row = _first(infinite)
        raise DataError(f"rating {raw['rating'][row - 1]} in row {row} of the interactions is no finite number")
    undated = ~raw["timestamp"].is_between(_YEAR_1, _YEAR_10000, closed="left").fill_null(value=True)
    if undated.any():
        row = _first(undated)
        raise DataError(
            f"timestamp {raw['timestamp'][row - 1]} in row {row} of the interactions is no date in milliseconds since 1970"
        )
    if "split" in raw.columns and (other := ~raw["split"].cast(pl.String).is_in(SPLITS).fill_null(value=False)).any():
        row = _first(other)
        raise DataError(
            f"split {raw['split'][row - 1]!r} in row {row} of the interactions is none of {', '.join(SPLITS)}"
        )


def check_items(items: pl.DataFrame) -> None:
    """Raise if a table of items violates the contract.

    Raises:
        DataError: A column is missing or has another type, or an id is repeated or empty.
    """
    _check_columns(items, ITEM_COLUMNS, "items")
    if items["item"].null_count() or items["item"].n_unique() != len(items):
        raise DataError("the table of items must name each item once, and has repeated or empty ids")


def doubts(raw: pl.DataFrame, described: pl.DataFrame) -> list[str]:
    """Return warnings about interactions and items that are valid but suspicious, a sentence each; none shows a user."""
    items = pl.concat([raw["item"].unique().cast(pl.String), described["item"]])
    found = [
        _early(raw["timestamp"]),
        _doubled(raw),
        *_alike("item", items),
        *_alike("user", raw["user"].unique().cast(pl.String)),
        _misread(described["title"]),
    ]
    return [sentence for sentence in found if sentence]


def _early(times: pl.Series) -> str:
    latest = times.max()
    if not isinstance(latest, int):
        return ""
    if latest < _YEAR_1980:
        when = datetime.fromtimestamp(latest / 1_000, tz=UTC).date()
        return (
            f"every time lies before 1980, the last on {when}: are they times, and in the unit or the form that is set?"
        )
    # seconds that are read as milliseconds lie in January 1970, as does the 0 that some programs write for no time
    in_1970 = int(times.is_between(0, _YEAR_1971, closed="left").sum())
    if not in_1970:
        return ""
    return f"{in_1970:,} of {len(times):,} times lie in 1970, and others after 1980: are these in another unit, or missing?"


def _alike(role: str, ids: pl.Series) -> list[str]:
    """Return doubts about ids that differ only in what is not seen or in leading zeros, and about those that are no ids."""
    ids = ids.drop_nulls().unique()
    # ids of ASCII alone, as most are, are spared a second or so for each two million
    beyond_ascii = (ids.str.len_bytes() != ids.str.len_chars()).any()
    plain = (ids.str.replace_all(_UNSEEN, "").str.normalize("NFC") if beyond_ascii else ids).str.strip_chars()
    digits = plain.str.contains(r"^\d+$")
    short = plain.str.replace(r"^0+(\d)", "${1}")
    plain = pl.select(pl.when(digits).then(short).otherwise(plain)).to_series()
    made: list[str] = []
    if same := len(plain) - plain.n_unique():
        first = sorted(ids.filter(plain == plain.filter(plain.is_duplicated()).min()))[:2]
        shown = f", such as {first[0]!r} and {first[1]!r}" if role == "item" else ""
        made.append(
            f"{same:,} {role} ids differ from others only in leading zeros, in blanks around them or in how Unicode writes them{shown}: "
            f"they count as different {role}s"
        )
    if none := sorted(ids.filter(plain.str.to_lowercase().is_in(_NO_VALUES))):
        made.append(f"{none[0]!r} is the id of {_article(role)}: if it stands for no value, leave its rows out")
    if powers := sorted(ids.filter(plain.str.contains(_POWER))):
        shown = f", such as {powers[0]!r}" if role == "item" else ""
        made.append(
            f"{len(powers):,} {role} ids are written as powers of ten{shown}, as spreadsheets and R write large numbers: "
            "different ids may have become one, and others do not match those of other files"
        )
    return made


def _doubled(raw: pl.DataFrame) -> str:
    """Return a doubt if every row is there more than once; rows without times may be so by chance."""
    keys = list(COLUMNS)
    if len(raw) < _FEW_ROWS or raw["timestamp"].null_count():
        return ""
    first = raw.filter((pl.col("user") == raw["user"][0]) & (pl.col("item") == raw["item"][0]))
    # most tables are done with here, without a look at all rows
    if len(first.unique(keys)) == len(first) or raw.select(pl.struct(keys).is_unique().any()).item():
        return ""
    return (
        "every row is there at least twice, with the same user, item, rating and time: are the same rows in two files?"
    )


def _misread(titles: pl.Series) -> str:
    """Return a doubt about titles that were decoded as what they are not, such as UTF-8 as latin-1."""
    odd = titles.drop_nulls()
    odd = odd.filter(odd.str.contains(_WRONG_DECODING))
    if odd.is_empty():
        return ""
    return f"{len(odd):,} titles, such as {odd.min()!r}, look like text that was read in a wrong encoding: which does the file have?"


def _is_empty(texts: pl.Series) -> pl.Series:
    if isinstance(texts.dtype, pl.Enum) and "" not in texts.dtype.categories:
        return pl.repeat(value=False, n=len(texts), eager=True, dtype=pl.Boolean)
    return texts.cast(pl.String) == ""


def _article(role: str) -> str:
    return "an item" if role == "item" else "a user"


def _check_columns(table: pl.DataFrame, columns: Mapping[str, type[pl.DataType]], what: str) -> None:
    for name, dtype in columns.items():
        if name not in table.columns:
            raise DataError(f"the {what} have no column {name!r} (they have: {', '.join(table.columns) or 'none'})")
        in_codes = what == "interactions" and dtype == pl.String and isinstance(table[name].dtype, pl.Enum)
        if table[name].dtype != dtype and not in_codes:
            raise DataError(f"the column {name!r} of the {what} must be {dtype}, not {table[name].dtype}")


def _first(flags: pl.Series) -> int:
    """Return the number of the first flagged row, from 1."""
    return int(flags.arg_max() or 0) + 1
