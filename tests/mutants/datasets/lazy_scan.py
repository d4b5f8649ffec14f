"""A correct adapter that is lazy to the end: each collection reads the file again; no times, whole numbers for ids."""

import polars as pl

from mutants.datasets.texts import edition, the_file
from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records
from shortstack.errors import DataError, RowError


class Lazy:
    """Reads whole numbers between tabs; there are no times."""

    detect = staticmethod(edition(".triples"))

    def read(self, source):
        """Check the rows once, then return a lazy polars scan."""
        path = the_file(source, ".triples")
        texts = pl.scan_csv(
            path,
            separator="\t",
            has_header=False,
            quote_char=None,
            schema=dict.fromkeys(("user", "item", "rating"), pl.String),
        )
        number = pl.col("rating").cast(pl.Float64, strict=False)
        rating = pl.when(number.is_between(0, 5)).then(number)
        whole = pl.all_horizontal(pl.col("user", "item").str.contains("^[0-9]+$").fill_null(value=False))
        try:
            bad = (
                texts.select(row=pl.int_range(pl.len()), named=whole, rated=rating.is_not_null(), text="rating")
                .filter(~(pl.col("named") & pl.col("rated")))
                .head(1)
                .collect()
            )
        except pl.exceptions.PolarsError:
            for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
                if line and line.count(b"\t") != 2:
                    raise RowError(path, number, "the line has not three fields") from None
            raise DataError(f"{path} cannot be read as three columns between tabs") from None
        for row, named, _, text in bad.rows():
            raise RowError(
                path, row + 1, f"rating {text!r} is not a number from 0 to 5" if named else "no whole number"
            )
        items = texts.select("item", title=None, category=None, text=None).unique("item").cast(pl.String)
        return Records(
            interactions=texts.select("user", "item", rating, timestamp=pl.lit(None, pl.Int64)),
            items=items,
            edition=Edition(name="triples"),
        )


def write_triples(_settings, sample, folder):
    """Write user, item and rating."""
    path = folder / "small.triples"
    path.write_bytes("".join(f"{row.user}\t{row.item}\t{row.rating}\n" for row in sample.rows).encode())
    return path


LAZY = DatasetDescriptor(
    name="lazy",
    summary="Ratings without times.",
    build=lambda _settings: Lazy(),
    traits=DatasetTraits(timestamps=False),
    write=write_triples,
)
