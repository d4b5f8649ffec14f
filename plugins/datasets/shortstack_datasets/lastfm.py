"""Music from Last.fm, in its three published forms: play counts or tags of 2011, listening events, and play counts.

Sources: https://grouplens.org/datasets/hetrec-2011/ and
http://ocelma.net/MusicRecommendationDataset/index.html (lastfm-1K and lastfm-360K).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Download, Edition, Records, Sample
from shortstack_datasets.reading.columns import Column, label, user
from shortstack_datasets.reading.kinds import unpacked_name
from shortstack_datasets.reading.official import OfficialFiles
from shortstack_datasets.reading.sources import Files, stored_name

if TYPE_CHECKING:
    import polars as pl

    from shortstack_datasets.reading.bad_rows import BadRows
    from shortstack_datasets.reading.delimited import Form

PLAYS: Final = "user_artists.dat"
ARTISTS: Final = "artists.dat"
DAYS, MOMENTS = "user_taggedartists.dat", "user_taggedartists-timestamps.dat"
TAGGINGS: Final = (DAYS, MOMENTS)
"""Files of the same tags, with days or with milliseconds of their midnights; some published times are of 1956."""
TAGS: Final = "tags.dat"
EVENTS: Final = "userid-timestamp-artid-artname-traid-traname.tsv"
COUNTS: Final = "usersha1-artmbid-artname-plays.tsv"


@attrs.frozen(kw_only=True)
class LastFmSettings:
    """The choice of interactions, and the reading of bad rows.

    Attributes:
        events: The interactions of the 2011 edition: ``plays``, each with its count as rating and without a time, or
            ``tags``, each with its day and without a rating.
        item: The item of a listening event: the ``artist`` or the ``track``.
        session_minutes: A longer pause between listening events begins a session, which then counts as a user of its
            own; None for whole histories.
        skip_bad_rows: Leave bad rows out and count them, instead of raising an error at the first.
    """

    events: Literal["plays", "tags"] = "plays"
    item: Literal["artist", "track"] = "artist"
    session_minutes: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.gt(0))
    )
    skip_bad_rows: bool = False


def files_of(settings: LastFmSettings) -> "OfficialFiles[_HetRec | _Events | _Counts]":
    """Build the adapter."""
    return OfficialFiles(
        what="Last.fm",
        needs=f"{PLAYS} and {ARTISTS} (2011), or {EVENTS} (1K), or {COUNTS} (360K)",
        recognise=lambda files: list(_recognised(files, settings)),
    )


@attrs.frozen(kw_only=True)
class _HetRec:
    """Play counts and tags of 2011; artists have numeric ids."""

    files: Files
    name: str
    settings: LastFmSettings

    @property
    def place(self) -> str:
        return self.files.place(self.name)

    def edition(self) -> Edition:
        return Edition(name="hetrec2011-lastfm-2k", facts={"events": self.settings.events})

    def records(self) -> Records:
        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import as_records

        bad = BadRows(skip=self.settings.skip_bad_rows)
        rows = _read(self.files, self.name, _form(), self._columns(), bad)
        columns = [Column(name="id", role="item", kind="whole"), label("name", "title")]
        artists = _read(self.files, ARTISTS, _form(), columns, bad)
        categories = _top_tags(self.files, bad)
        known = (
            artists if categories is None else artists.join(categories, on="item", how="left", maintain_order="left")
        )
        return as_records(rows, known, self.edition(), bad)

    def _columns(self) -> list[Column]:
        who = [user("userID", "whole"), Column(name="artistID", role="item", kind="whole")]
        if self.settings.events == "plays":
            return [*who, Column(name="weight", role="rating", kind="number")]
        if unpacked_name(self.name) == MOMENTS:
            return [*who, Column(name="timestamp", role="timestamp", kind="ms", since_1900=True)]
        day = Column(name="year-month-day", role="timestamp", kind="iso", parts=("year", "month", "day"))
        return [*who, day]


@attrs.frozen(kw_only=True)
class _Events:
    """Listening events, one row each."""

    files: Files
    name: str
    settings: LastFmSettings

    @property
    def place(self) -> str:
        return self.files.place(self.name)

    def edition(self) -> Edition:
        pause = self.settings.session_minutes
        sessions = {} if pause is None else {"session_minutes": pause}
        return Edition(name="lfm-1k", facts={"item": self.settings.item, **sessions})

    def records(self) -> Records:
        import polars as pl

        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import as_records

        bad = BadRows(skip=self.settings.skip_bad_rows)
        tracks = self.settings.item == "track"
        names = ("userid", "timestamp", "artid", "artname", "traid", "traname")
        columns = [
            user("userid"),
            Column(name="timestamp", role="timestamp", kind="iso"),
            label("traid" if tracks else "artid", "id"),
            Column(name="artname", role="artist", kind="id"),
            *([Column(name="traname", role="track", kind="id")] if tracks else []),
        ]
        rows = _read(self.files, self.name, _form(names), columns, bad)
        title = pl.concat_str("artist", "track", separator=" – ") if tracks else pl.col("artist")
        # artists and tracks without a MusicBrainz id are identified by their names
        rows = rows.with_columns(title=title).with_columns(item=pl.coalesce("id", "title"))
        if self.settings.session_minutes is not None:
            rows = _by_session(rows, self.settings.session_minutes)
        return as_records(rows, rows, self.edition(), bad)


@attrs.frozen(kw_only=True)
class _Counts:
    """Play counts of users and artists."""

    files: Files
    name: str
    settings: LastFmSettings

    @property
    def place(self) -> str:
        return self.files.place(self.name)

    def edition(self) -> Edition:
        return Edition(name="lfm-360k")

    def records(self) -> Records:
        import polars as pl

        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import as_records

        bad = BadRows(skip=self.settings.skip_bad_rows)
        columns = [
            user("sha1"),
            label("artmbid", "id"),
            Column(name="artname", role="title", kind="id"),
            Column(name="plays", role="rating", kind="number"),
        ]
        rows = _read(self.files, self.name, _form(("sha1", "artmbid", "artname", "plays")), columns, bad)
        # artists without a MusicBrainz id are identified by their names
        rows = rows.with_columns(item=pl.coalesce("id", "title"))
        return as_records(rows, rows, self.edition(), bad)


def write(settings: LastFmSettings, sample: Sample, folder: Path) -> Path:
    """Write the files of 2011: plays and artists, or tags with their days if the settings say so.

    Returns:
        ``folder``, for ``read``.
    """
    from shortstack_datasets.reading.writing import Lines, dated, item_rows, whole, write_lines

    if settings.events == "plays":
        plays: Lines = [[row.user, row.item, whole(row.rating)] for row in sample.rows]
        write_lines(folder / PLAYS, [["userID", "artistID", "weight"], *plays], "\t")
    else:
        tags: Lines = [
            [row.user, row.item, "1", *(str(dated(row.timestamp, part)) for part in ("%d", "%m", "%Y"))]
            for row in sample.rows
        ]
        write_lines(folder / DAYS, [["userID", "artistID", "tagID", "day", "month", "year"], *tags], "\t")
    artists = [[row["item"], row["title"], "", ""] for row in item_rows(sample)]
    write_lines(folder / ARTISTS, [["id", "name", "url", "pictureURL"], *artists], "\t")
    return folder


DESCRIPTOR = DatasetDescriptor(
    name="lastfm",
    summary="Last.fm: play counts or tags of HetRec 2011, the listening events of 1K users, or 360K users' play counts.",
    build=files_of,
    config=LastFmSettings,
    reference="https://grouplens.org/datasets/hetrec-2011/",
    traits=DatasetTraits(ratings=True, timestamps=False, titles=True),
    write=write,
    downloads={
        "hetrec2011-lastfm-2k": Download(
            url="https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip",
            licence="non-commercial use: https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-readme.txt",
            md5="296d61afe4e8632b173fc2dd3be20ce2",
        )
    },
    elsewhere="lastfm-1K and lastfm-360K: ask http://ocelma.net/MusicRecommendationDataset, unpack the tar.gz, name its folder",
)


def _recognised(files: Files, settings: LastFmSettings) -> "Iterator[_HetRec | _Events | _Counts]":
    wanted = (PLAYS,) if settings.events == "plays" else TAGGINGS
    stored = (stored_name(files, files.names, name) for name in wanted)
    name = next((name for name in stored if name is not None), None)
    if name is not None and ARTISTS in files.beside:
        yield _HetRec(files=files, name=name, settings=settings)
    if events := stored_name(files, files.names, EVENTS):
        yield _Events(files=files, name=events, settings=settings)
    if counts := stored_name(files, files.names, COUNTS):
        yield _Counts(files=files, name=counts, settings=settings)


def _form(names: tuple[str, ...] = ()) -> "Form":
    """Return the text format: tabs, unquoted fields for names hold lone quotes, and UTF-8 except in the tags."""
    from shortstack_datasets.reading.delimited import Form

    return Form(separator="\t", names=names, header=not names, encoding="either")


def _read(files: Files, name: str, form: "Form", columns: Sequence[Column], bad: "BadRows") -> "pl.DataFrame":
    from shortstack_datasets.reading.delimited import read_text

    return read_text(files, name, form, columns, bad)


def _top_tags(files: Files, bad: "BadRows") -> "pl.DataFrame | None":
    """Return each artist's most frequent tag, as ``item`` and ``category``; ties go to the alphabetically first."""
    import polars as pl

    taggings = next((name for name in TAGGINGS if name in files.beside), None)
    if taggings is None or TAGS not in files.beside:
        return None
    columns = [Column(name=name, role=role, kind="whole") for name, role in (("artistID", "item"), ("tagID", "tag"))]
    uses = _read(files, taggings, _form(), columns, bad).group_by("item", "tag").len()
    names = [Column(name="tagID", role="tag", kind="whole"), Column(name="tagValue", role="category", kind="label")]
    named = uses.join(_read(files, TAGS, _form(), names, bad), on="tag")
    ordered = named.sort("item", "len", "category", descending=[False, True, False])
    return ordered.unique("item", keep="first", maintain_order=True).select("item", "category").cast(pl.String)


def _by_session(rows: "pl.DataFrame", minutes: float) -> "pl.DataFrame":
    """Split each user's events at long pauses into sessions, as users of their own: ``user``, ``#`` and a number."""
    import polars as pl

    ordered = rows.sort("user", "timestamp", maintain_order=True)
    pause = (pl.col("timestamp").diff() > minutes * 60_000).fill_null(value=False)
    number = pause.cum_sum().over("user")
    return ordered.with_columns(user=pl.concat_str("user", pl.lit("#"), number.cast(pl.String)))
