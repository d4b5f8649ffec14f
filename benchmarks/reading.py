"""Reading of delimited text with all checks and types, beside polars that only splits the same columns."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.timing import Row, best_seconds
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column, user
from shortstack_datasets.reading.delimited import Form, read_text
from shortstack_datasets.reading.sources import Folder

_ROWS: Final = 1_000_000
_COLUMNS: Final = (
    user("user"),
    Column(name="item", role="item", kind="id"),
    Column(name="rating", role="rating", kind="number"),
    Column(name="time", role="time", kind="s"),
)
_WRITTEN: Final[Mapping[str, str]] = {
    "no quotes": "{},{},Some Film {},{},{}\n",
    "titles quoted": '{},{},"Film, Some {}",{},{}\n',
    "all quoted": '"{}","{}","Some Film {}","{}","{}"\n',
    "three bad rows": "{},{},Some Film {},{},{}\n",
}


def measure_reading() -> list[Row]:
    """Measure a million ratings in each form of quoting."""
    with tempfile.TemporaryDirectory() as folder:
        return [_measured(Path(folder), what) for what in _WRITTEN]


def _measured(folder: Path, what: str) -> Row:
    path = folder / "ratings.csv"
    path.write_text("".join(_lines(what)))
    ours = partial(read_text, Folder(path=folder), path.name, Form(separator=",", quoted=True), _COLUMNS)
    seconds = best_seconds(
        {
            "ours": lambda: ours(BadRows(skip=True)),
            "polars": lambda: pl.read_csv(
                path, infer_schema=False, columns=[column.name for column in _COLUMNS], truncate_ragged_lines=True
            ),
        },
        rounds=5,
    )
    return {
        "what": f"read {_ROWS:,} ratings, {what}",
        "measured": f"{path.stat().st_size / seconds['ours'] / 1e6:.0f} MB/s",
        "beside": f"polars, columns as text, nothing checked: {path.stat().st_size / seconds['polars'] / 1e6:.0f} MB/s",
        "ratio": seconds["ours"] / seconds["polars"],
        "target": "",
    }


def _lines(what: str) -> list[str]:
    highest = (200_000, 30_000, 3_000, 5, 10**9)
    values = np.random.default_rng(0).integers(1, highest, (_ROWS, len(highest)), endpoint=True).tolist()
    lines = [_WRITTEN[what].format(*row) for row in values]
    if what == "three bad rows":
        for row in (10, _ROWS // 3, _ROWS // 2):
            lines[row] = f"9,{lines[row]}"
    return ["user,item,title,rating,time\n", *lines]
