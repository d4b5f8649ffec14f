"""The Yelp Open Dataset: reviews or tips as interactions, businesses as items.

Source: https://www.yelp.com/dataset/documentation/main; and the older form, up to 2015, whose objects have a ``type``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack_datasets.reading.columns import Column, user
from shortstack_datasets.reading.kinds import unpacked_name
from shortstack_datasets.reading.official import OfficialFiles
from shortstack_datasets.reading.sources import Files, first_line, opened, require_one_copy

if TYPE_CHECKING:
    import polars as pl

    from shortstack_datasets.reading.bad_rows import BadRows

Event = Literal["review", "tip"]
_NAME: Final = re.compile(r"(yelp_academic_dataset_)?(business|review|tip)\.json")


@attrs.frozen(kw_only=True)
class YelpSettings:
    """Settings of ``yelp``.

    Attributes:
        events: Reviews, which have stars, or tips, which have none; None for reviews where there are any, or else tips.
        skip_bad_rows: Leave bad rows out and count them, instead of raising an error at the first.
    """

    events: Event | None = None
    skip_bad_rows: bool = False


def files_of(settings: YelpSettings) -> "OfficialFiles[_Found]":
    """Build the adapter."""
    events = f"{settings.events}.json" if settings.events else "review.json or tip.json"
    return OfficialFiles(
        what="Yelp",
        needs=f"{events}, as yelp_academic_dataset_… or so called, with business.json beside it, unpacked from its tar",
        recognise=lambda files: list(_recognised(files, settings)),
    )


@attrs.frozen(kw_only=True)
class _Found:
    files: Files
    name: str
    event: Event
    skip: bool

    @property
    def place(self) -> str:
        return self.files.place(self.name)

    def edition(self) -> Edition:
        old = '"type":' in first_line(self.files, self.name).replace(" ", "")
        return Edition(name=f"yelp-{self.event}s", facts={"form": "up to 2015" if old else "since 2016"})

    def records(self) -> Records:
        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import as_records
        from shortstack_datasets.reading.json_lines import read_json_lines

        items = [name for name in sorted(self.files.beside) if _kind(name) == "business"][:1]
        for name in items:
            require_one_copy(self.files, name)
        bad = BadRows(skip=self.skip)
        with opened(self.files, self.name) as stream:
            rows = read_json_lines(stream, _columns(self.event), bad)
        known = _businesses(self.files, items[0], bad) if items else rows
        return as_records(rows, known, self.edition(), bad)


def write(settings: YelpSettings, sample: Sample, folder: Path) -> Path:
    """Write reviews, or tips if the settings say so, and businesses, in the current format.

    Returns:
        ``folder``, for ``read``.
    """
    from shortstack_datasets.reading.described import as_html
    from shortstack_datasets.reading.writing import dated, item_rows, write_objects

    event: Event = settings.events or "review"
    rows = [
        {"user_id": row.user, "business_id": row.item}
        | ({"stars": row.rating} if event == "review" else {})
        | {"text": "", "date": dated(row.timestamp, "%Y-%m-%d %H:%M:%S")}
        for row in sample.rows
    ]
    businesses = [
        {"business_id": row["item"], "name": as_html(row["title"]), "categories": as_html(row["category"])}
        for row in item_rows(sample)
    ]
    write_objects(folder / f"yelp_academic_dataset_{event}.json", rows)
    write_objects(folder / "yelp_academic_dataset_business.json", businesses)
    return folder


DESCRIPTOR = DatasetDescriptor(
    name="yelp",
    summary="The Yelp Open Dataset: reviews or tips, businesses with their names and categories.",
    build=files_of,
    config=YelpSettings,
    reference="https://www.yelp.com/dataset",
    traits=DatasetTraits(ratings=True, timestamps=True, titles=True, categories=True, text_ids=True),
    write=write,
    elsewhere="accept the terms at https://www.yelp.com/dataset, download the JSON, unpack the tar, name its folder",
)


def _kind(name: str) -> str | None:
    """Return ``business``, ``review`` or ``tip`` by a file's name; None for other names.

    >>> _kind("yelp_academic_dataset_tip.json"), _kind("checkin.json")
    ('tip', None)
    """
    match = _NAME.fullmatch(unpacked_name(name))
    return match[2] if match else None


def _recognised(files: Files, settings: YelpSettings) -> Iterator[_Found]:
    kinds = {name: _kind(name) for name in sorted(files.names)}
    wanted: tuple[Event, ...] = (settings.events,) if settings.events else ("review", "tip")
    event = next((event for event in wanted if event in kinds.values()), None)
    for name, kind in kinds.items():
        if event is not None and kind == event:
            yield _Found(files=files, name=name, event=event, skip=settings.skip_bad_rows)


def _columns(event: Event) -> list[Column]:
    stars = [Column(name="stars", role="rating", kind="number")] if event == "review" else []
    return [
        user("user_id"),
        Column(name="business_id", role="item", kind="id"),
        *stars,
        Column(name="date", role="timestamp", kind="iso"),
    ]


def _businesses(files: Files, name: str, bad: "BadRows") -> "pl.DataFrame":
    """Read ``item``, ``title``, ``category``; categories are a list, or in newer editions a text with commas."""
    import polars as pl

    from shortstack.errors import RowError
    from shortstack_datasets.reading.described import plain_text
    from shortstack_datasets.reading.json_lines import json_objects

    rows = []
    with opened(files, name) as stream:
        for number, business in json_objects(stream, bad):
            item, title, categories = (business.get(key) for key in ("business_id", "name", "categories"))
            if not (isinstance(item, str) and item):
                bad.meet(RowError(files.place(name), number, "business_id is empty; it should be a name"))
                continue
            listed = categories if isinstance(categories, list) else str(categories or "").split(", ")
            rows.append((item, plain_text(title), plain_text("|".join(map(str, listed)))))
    return pl.DataFrame(rows, schema=dict.fromkeys(("item", "title", "category"), pl.String), orient="row")
