"""MIND, the Microsoft News Dataset: impressions, clicks, and the articles that readers had read before.

Source: https://github.com/msnews/msnews.github.io/blob/master/assets/doc/introduction.md.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack.errors import DataError, SourceNotFoundError
from shortstack_datasets.reading.columns import Column, label, user
from shortstack_datasets.reading.sources import Files, count_lines, first_lines, found, stored_name

if TYPE_CHECKING:
    import polars as pl

    from shortstack_datasets.reading.bad_rows import BadRows

BEHAVIORS: Final = "behaviors.tsv"
NEWS: Final = "news.tsv"
COLUMNS: Final = ("impression", "user", "time", "history", "impressions")
NEWS_COLUMNS: Final = (
    "id",
    "category",
    "subcategory",
    "title",
    "abstract",
    "url",
    "title_entities",
    "abstract_entities",
)
EDITIONS: Final = {156_965: "MINDsmall", 230_117: "MINDsmall", 2_232_748: "MINDlarge", 2_609_219: "MINDlarge"}
"""Editions by the number of impressions of the training part, alone or with those of the validation part."""

ORDER: Final = ("train", "valid", "test", None)
_CLOCK: Final = "%m/%d/%Y %I:%M:%S %p"


@attrs.frozen(kw_only=True)
class MindSettings:
    """Settings of ``mind``.

    Attributes:
        skip_bad_rows: Leave bad rows out and count them, instead of raising an error at the first.
    """

    skip_bad_rows: bool = False


@attrs.frozen(kw_only=True)
class _Part:
    """The two files of one part.

    Attributes:
        files: The files.
        behaviors: Name of the file of impressions.
        split: ``train``, ``valid`` or ``test`` by the name of the folder; None if the name says nothing.
    """

    files: Files
    behaviors: str
    split: str | None

    @property
    def place(self) -> str:
        return self.files.place(self.behaviors)

    @property
    def labelled(self) -> bool:
        """True if clicks are given; the official test part has none."""
        lines = first_lines(self.files, self.behaviors)
        return self.split != "test" or any(line.rstrip()[-2:] in {"-0", "-1"} for line in lines)

    @property
    def news(self) -> str | None:
        """Name of the file of news; None if there is none."""
        return stored_name(self.files, self.files.beside, NEWS)


@attrs.frozen
class Mind:
    """Reads one part, or a folder with the training part beside the validation part; a click is an interaction."""

    settings: MindSettings

    def detect(self, source: str | Path) -> Edition | None:
        """Return the edition; None if there are no files of MIND.

        Raises:
            DataError: An archive is broken, or a file is there twice, packed in different ways.
        """
        try:
            parts = _parts(Path(source))
        except SourceNotFoundError:
            return None
        whole = _belong_together(parts) and all(part.news for part in parts)
        return _edition(parts, source) if whole else None

    def read(self, source: str | Path) -> Records:
        """Read all clicks, all news, and all impressions.

        Raises:
            SourceNotFoundError: ``source`` does not exist.
            DataError: It is no MIND, or damaged, or only the test part, which has no clicks.
            RowError: A line is bad.
        """
        import polars as pl

        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import described, filled

        parts = _parts(Path(source))
        if not parts:
            raise DataError(f"{source} is no MIND data set: it should hold {BEHAVIORS} and {NEWS}")
        if not _belong_together(parts):
            places = ", ".join(part.place for part in parts)
            raise DataError(f"{source} holds several MIND data sets ({places}); name one of them")
        for part in parts:
            if part.news is None:
                raise DataError(f"{part.place} has no {NEWS} beside it, which says what was shown; put it there")
        edition, bad = _edition(parts, source), BadRows(skip=self.settings.skip_bad_rows)
        labelled = [part for part in parts if part.labelled]
        if not labelled:
            raise DataError(f"{source} is the test part of MIND, which does not say what was clicked; add the others")
        impressions = pl.concat(_impressions(part, bad) for part in labelled)
        news = pl.concat(_news(part.files, part.news, bad) for part in parts if part.news)
        clicks = impressions.explode("shown", "clicked").filter("clicked").rename({"shown": "item"})
        # the official split is given only if every row has its part
        columns = [*filled(clicks).columns, *([] if clicks["split"].null_count() else ["split"])]
        return Records(
            interactions=filled(clicks).with_columns(clicks["split"]).select(columns).lazy(),
            items=described(news).lazy(),
            edition=edition,
            skipped=bad.skipped,
            impressions=impressions.lazy(),
            remarks=bad.remarks,
        )


def write(_settings: MindSettings, sample: Sample, folder: Path) -> Path:
    """Write each interaction as an impression of one article, which was clicked; and the articles.

    Returns:
        ``folder``, for ``read``.
    """
    from shortstack_datasets.reading.writing import dated, item_rows, write_lines

    rows = [
        [str(number), row.user, dated(row.timestamp, _CLOCK), "", f"{row.item}-1"]
        for number, row in enumerate(sample.rows, start=1)
    ]
    news = [[row["item"], row["category"], "", row["title"], "", "", "[]", "[]"] for row in item_rows(sample)]
    write_lines(folder / BEHAVIORS, rows, "\t")
    write_lines(folder / NEWS, news, "\t")
    return folder


DESCRIPTOR = DatasetDescriptor(
    name="mind",
    summary="MIND news, small or large: clicks as interactions, and the impressions that the task 'click' ranks.",
    build=Mind,
    config=MindSettings,
    reference="https://msnews.github.io",
    traits=DatasetTraits(ratings=False, timestamps=True, titles=True, categories=True),
    write=write,
    elsewhere="accept the terms at https://msnews.github.io, download MINDsmall or MINDlarge, name the folder of its zips",
)


def _parts(source: Path) -> list[_Part]:
    def recognised(files: Files) -> Sequence[_Part]:
        name = stored_name(files, files.names, BEHAVIORS)
        return [_Part(files=files, behaviors=name, split=_split(files.place(BEHAVIORS)))] if name else []

    return sorted(found(source, recognised), key=lambda part: ORDER.index(part.split))


def _split(place: str) -> str | None:
    """Return the split by the name of the folder that holds the files, or of the archive that holds the folder.

    >>> _split("train_data/MINDsmall_dev/behaviors.tsv"), _split("MINDlarge_test.zip/data/behaviors.tsv"), _split("latest/b")
    ('valid', 'test', None)
    """
    # absolute, for the folder that the command is typed in has a name too
    *_, archive, folder = ("", "", *Path(os.path.abspath(place)).parts[:-1])  # noqa: PTH100 -- resolve() would follow links
    names = f"{folder} {archive if archive.endswith('.zip') else ''}".lower()
    words = {"train": "train", "dev": "valid", "valid": "valid", "test": "test"}
    return next((words[word] for word in re.split("[^a-z]+", names) if word in words), None)


def _belong_together(parts: Sequence[_Part]) -> bool:
    splits = [part.split for part in parts]
    return len(parts) == 1 or (len(parts) > 1 and None not in splits and len({*splits}) == len(splits))


def _edition(parts: Sequence[_Part], source: str | Path) -> Edition:
    # the edition is recognised by the number of impressions with clicks
    impressions = sum(count_lines(part.files, part.behaviors) for part in parts if part.labelled)
    if not impressions and not any(part.labelled for part in parts):
        return Edition(name="MIND-test", facts={"source": Path(source).name})
    return Edition(name=EDITIONS.get(impressions, "MIND"), facts={"impressions": impressions, "interaction": "click"})


def _impressions(part: _Part, bad: "BadRows") -> "pl.DataFrame":
    """Read ``user``, ``timestamp``, ``history``, ``shown``, ``clicked`` and ``split``, one row per impression."""
    import polars as pl

    from shortstack_datasets.reading.delimited import Form, read_text

    columns = [
        user("user"),
        Column(name="time", role="timestamp", kind="clock"),
        label("history", "history"),
        Column(name="impressions", role="shown", kind="candidates"),
    ]
    rows = read_text(part.files, part.behaviors, Form(separator="\t", names=COLUMNS, header=False), columns, bad)
    shown = pl.col("shown").str.split(" ")
    split = part.split if part.split in {"train", "valid"} else None
    return rows.select(
        "user",
        "timestamp",
        pl.when(pl.col("history").is_not_null())
        .then(pl.col("history").str.split(" ").list.eval(pl.element().filter(pl.element() != "")))
        .otherwise(pl.lit([], dtype=pl.List(pl.String)))
        .alias("history"),
        shown.list.eval(pl.element().str.head(-2)).alias("shown"),
        shown.list.eval(pl.element().str.tail(1) == "1").alias("clicked"),
        pl.lit(split, dtype=pl.String).alias("split"),
    )


def _news(files: Files, name: str, bad: "BadRows") -> "pl.DataFrame":
    """Read ``item``, ``title``, ``category`` (followed by ``|`` and the subcategory) and ``text``, the abstract."""
    import polars as pl

    from shortstack_datasets.reading.delimited import Form, read_text

    columns = [
        Column(name="id", role="item", kind="id"),
        label("title", "title"),
        label("category", "category"),
        label("subcategory", "subcategory"),
        label("abstract", "text"),
    ]
    rows = read_text(files, name, Form(separator="\t", names=NEWS_COLUMNS, header=False), columns, bad)
    category = pl.concat_str("category", "subcategory", separator="|", ignore_nulls=True)
    return rows.with_columns(pl.when(category != "").then(category).alias("category")).drop("subcategory")
