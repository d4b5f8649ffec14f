"""Amazon reviews in every published edition: 2014, 2018 and 2023, one category or several at once.

Sources: https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html (2014),
https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/ (2018), https://amazon-reviews-2023.github.io (2023).
"""

from collections.abc import Sequence
from pathlib import Path

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack.errors import DataError, SourceNotFoundError, UnknownNameError
from shortstack_datasets.amazon.layouts import Category
from shortstack_datasets.amazon.places import categories_of


@attrs.frozen(kw_only=True)
class AmazonSettings:
    """Settings of ``amazon-reviews``.

    Attributes:
        categories: The categories to read, by their names in the files, such as ``"All_Beauty"``; empty for all.
        skip_bad_rows: Leave bad rows out and count them, instead of raising an error at the first.
    """

    categories: tuple[str, ...] = ()
    skip_bad_rows: bool = False


@attrs.frozen
class AmazonReviews:
    """Adapter of reviews in a folder, an archive or a file, with the products' metadata; rows keep their category."""

    settings: AmazonSettings

    def detect(self, source: str | Path) -> Edition | None:
        """Return the edition, with the categories; None if there are no reviews of Amazon.

        Raises:
            DataError: An archive is broken.
        """
        try:
            there = categories_of(Path(source))
        except SourceNotFoundError:
            return None
        return _edition(there) if there else None

    def read(self, source: str | Path) -> Records:
        """Read all reviews as ratings, and the products of the metadata, or else those reviewed.

        Raises:
            SourceNotFoundError: ``source`` does not exist.
            DataError: It holds no reviews of Amazon, or is damaged, or lacks a category.
            RowError: A row is bad.
        """
        import polars as pl

        from shortstack_datasets.amazon.reviews import read_reviews
        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import as_records

        chosen = self._chosen(categories_of(Path(source)), source)
        bad = BadRows(skip=self.settings.skip_bad_rows)
        read = [read_reviews(category, bad) for category in chosen]
        rows = pl.concat([rows for rows, _ in read], how="diagonal")
        if "split" in rows.columns and rows["split"].null_count():
            plain = ", ".join(name for category in chosen if "" in category.parts.values() for name in category.chosen)
            bad.remark(f"the official split is left out, because these categories have none: {plain}")
            rows = rows.drop("split")
        return as_records(rows, pl.concat([products for _, products in read]), _edition(chosen), bad)

    def _chosen(self, there: Sequence[Category], source: str | Path) -> Sequence[Category]:
        if not there:
            raise DataError(
                f"{source} holds no Amazon reviews: it should hold reviews_NAME_5.json.gz or ratings_NAME.csv (2014), "
                "NAME_5.json.gz or NAME.csv (2018), NAME.jsonl.gz or NAME.csv.gz (2023), with meta_NAME beside it"
            )
        by_name = {name: category for category in there for name in category.names}
        for name in self.settings.categories:
            if name not in by_name:
                raise UnknownNameError("Amazon category", name, sorted(by_name))
        if not self.settings.categories:
            return there
        wanted = [attrs.evolve(category, only=self.settings.categories) for category in there]
        return [category for category in wanted if {*category.names} & {*self.settings.categories}]


def write(_settings: AmazonSettings, sample: Sample, folder: Path) -> Path:
    """Write ``Sample.jsonl`` and ``meta_Sample.jsonl`` in the layout of 2023.

    Returns:
        ``folder``, for ``read``.
    """
    from shortstack_datasets.reading.described import as_html
    from shortstack_datasets.reading.writing import item_rows, write_objects

    reviews = [
        {"rating": row.rating, "parent_asin": row.item, "user_id": row.user, "timestamp": row.timestamp}
        for row in sample.rows
    ]
    products = [
        {
            "title": as_html(row["title"]),
            "categories": [as_html(row["category"])] if row["category"] else [],
            "parent_asin": row["item"],
        }
        for row in item_rows(sample)
    ]
    write_objects(folder / "Sample.jsonl", reviews)
    write_objects(folder / "meta_Sample.jsonl", products)
    return folder


DESCRIPTOR = DatasetDescriptor(
    name="amazon-reviews",
    summary="Amazon reviews of 2014, 2018 and 2023: all reviews, ratings alone, 5-core, or the official split.",
    build=AmazonReviews,
    config=AmazonSettings,
    reference="https://amazon-reviews-2023.github.io",
    traits=DatasetTraits(ratings=True, timestamps=True, titles=True, categories=True, text_ids=True),
    write=write,
    elsewhere="download a category's reviews and metadata from https://amazon-reviews-2023.github.io, name their folder",
)


def _edition(categories: Sequence[Category]) -> Edition:
    years = sorted({category.layout.edition for category in categories})
    names = sorted({name for category in categories for name in category.chosen})
    return Edition(name=f"amazon-{'+'.join(years)}", facts={"categories": ", ".join(names), "files": len(categories)})
