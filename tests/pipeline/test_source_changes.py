"""A run notices that the data its adapter reads have changed, for any kind of source."""

import polars as pl
import pytest
from pipeline.conftest import ring_tables, write_ring
from pipeline.recording import Recording

from shortstack import Registry, Run
from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records
from shortstack.data.records import digest_of
from shortstack.hooks import hookimpl
from shortstack.registry import Origin

FRAMES = {}
"""What the adapter below reads: no file."""


class InMemory:
    """An adapter over two data frames."""

    def detect(self, source):
        """Accept any source."""
        return Edition(name=str(source))

    def read(self, source):
        """Return the current frames."""
        return Records(interactions=FRAMES["rows"].lazy(), items=FRAMES["items"].lazy(), edition=Edition(name=source))


@hookimpl
def shortstack_datasets():
    """Yield one adapter."""
    yield DatasetDescriptor(
        name="in-memory",
        summary="Two data frames.",
        build=lambda _: InMemory(),
        traits=DatasetTraits(),
    )


class Module:
    """A plugin."""

    __name__ = "in_memory"
    shortstack_datasets = staticmethod(shortstack_datasets)


@pytest.fixture(scope="module")
def registry():
    """The installed plugins, and the one above."""
    installed = Registry.from_environment()
    installed.register(Module, Origin("acme", "in-memory", "1"))
    assert installed.failures == ()
    return installed


@pytest.fixture
def frames(tmp_path):
    """The ring, in memory."""
    table = pl.read_csv(write_ring(tmp_path / "ring.csv"))
    FRAMES["rows"] = table.select(
        "user", "item", pl.col("rating").cast(pl.Float64), timestamp=pl.col("time").cast(pl.Int64) * 1000
    )
    FRAMES["items"] = (
        table.select("item", "title")
        .unique()
        .with_columns(category=pl.lit(None, pl.String), text=pl.lit(None, pl.String))
    )
    return FRAMES


def prepared(folder, registry, source="here"):
    """Return the stages that ran, and those that were kept."""
    progress = Recording()
    data = {"source": source, "adapter": "in-memory", "core": 2}
    Run.from_mapping(ring_tables("", data=data)).prepare(folder, registry=registry, progress=progress)
    return progress.ran, progress.left


@pytest.mark.parametrize(
    "change",
    [
        lambda frames: {"rows": frames["rows"].head(400)},
        lambda frames: {"rows": frames["rows"].with_columns(rating=pl.lit(None, pl.Float64))},
        lambda frames: {"rows": frames["rows"].with_columns(timestamp=pl.col("timestamp") + 1)},
        lambda frames: {"rows": frames["rows"].reverse()},
        lambda frames: {"items": frames["items"].with_columns(title=pl.col("title") + "!")},
        lambda frames: {"items": frames["items"].with_columns(title=pl.lit(None, pl.String))},
    ],
    ids=["half", "no ratings", "later", "other order", "other titles", "no titles"],
)
def test_other_rows_are_read_again(tmp_path, frames, registry, change):
    """With the same name and settings, other content keeps nothing; the same content keeps everything."""
    assert prepared(tmp_path / "run", registry) == (["data"], [])
    FRAMES["items"] = FRAMES["items"].reverse()  # in no order
    assert prepared(tmp_path / "run", registry) == ([], ["data"])
    FRAMES.update(change(frames))
    assert prepared(tmp_path / "run", registry) == (["data"], [])
    assert prepared(tmp_path / "run", registry) == ([], ["data"])


@pytest.mark.full
def test_what_stands_behind_depends_on_what_was_read(tmp_path, frames, registry):
    """Half the rows: another teacher, other figures."""
    data = {"source": "here", "adapter": "in-memory", "core": 2}
    run = Run.from_mapping(ring_tables("", data=data, evaluation={"resamples": 100, "scratch": False}))
    whole = run.execute(tmp_path / "run", registry=registry)
    frames["rows"] = frames["rows"].head(len(frames["rows"]) // 2)
    progress = Recording()
    half = run.execute(tmp_path / "run", registry=registry, progress=progress)

    assert progress.left == []
    assert (whole.data["users"], half.data["users"]) == (60, 30)
    assert whole.metrics["student"] != half.metrics["student"]


@pytest.mark.full
def test_the_same_ratings_elsewhere_are_the_same(tmp_path):
    """A file that was moved is read, and nothing is trained again."""
    (tmp_path / "elsewhere").mkdir()
    tables = ring_tables(write_ring(tmp_path / "ring.csv"), evaluation={"resamples": 100, "scratch": False})
    Run.from_mapping(tables).execute(tmp_path / "run")
    tables["data"]["source"] = str((tmp_path / "ring.csv").rename(tmp_path / "elsewhere" / "ring.csv"))
    progress = Recording()
    Run.from_mapping(tables).execute(tmp_path / "run", progress=progress)

    assert progress.ran == ["report"]


def records(**columns):
    """Return a table of impressions."""
    empty = pl.LazyFrame({"item": []})
    return Records(interactions=empty, items=empty, impressions=pl.LazyFrame(columns), edition=Edition(name="e"))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"a": ["xy", "z"]}, {"a": ["x", "yz"]}),
        ({"a": ["", None]}, {"a": [None, ""]}),
        ({"a": [["x"], ["y", "z"]]}, {"a": [["x", "y"], ["z"]]}),
        ({"a": [[], None]}, {"a": [None, []]}),
        ({"a": [[True, False]]}, {"a": [[False, True]]}),
        ({"a": [1, 2]}, {"a": [1.0, 2.0]}),
        ({"a": [0, None]}, {"a": [None, 0]}),
        ({"a": ["x"]}, {"b": ["x"]}),
    ],
    ids=["letters", "null text", "list ends", "null list", "flags", "types", "null number", "names"],
)
def test_tables_that_differ_have_other_digests(left, right):
    """Tables that differ in text, nulls, list boundaries, types or names have other digests."""
    digests = [digest_of(records(**columns), ["impressions"]) for columns in (left, right, left)]

    assert digests[0] == digests[2] != digests[1]
