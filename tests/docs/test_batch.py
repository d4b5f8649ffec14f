"""The page about whole files of users: its commands and its Python work as typed, on the file that it shows."""

import re
import shlex

import polars as pl
import pytest
from documents import ROOT
from pipeline.little_language_model import llama

from shortstack.cli import main
from shortstack.data.catalogue import Catalogue, Item
from shortstack.recommender import Recommender

PAGE = (ROOT / "docs" / "batch.md").read_text(encoding="utf-8")
TITLES = (
    "Toy Story (1995)",
    "GoldenEye (1995)",
    "Four Rooms (1995)",
    "Get Shorty (1995)",
    "Copycat (1995)",
    "Heat (1995)",
)


def block(language):
    """Each block of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A folder with a run and the page's file."""
    items = [Item(id=f"{number}", title=title, token=number) for number, title in enumerate(TITLES, start=1)]
    Recommender(model=llama(num_hidden_layers=1).eval(), catalogue=Catalogue(items=items), window=4).save_pretrained(
        tmp_path / "runs" / "quickstart" / "student"
    )
    (tmp_path / "users.csv").write_text(block("csv")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(command):
    """A command, in this process."""
    with pytest.raises(SystemExit) as end:
        main(shlex.split(command)[1:])
    assert 0 == end.value.code


def test_the_first_command(reader):
    """It answers the file's two users."""
    first, _ = block("bash")
    typed(first)

    assert ["ann", "bob"] == pl.read_parquet(reader / "recommendations.parquet")["user"].to_list()


@pytest.mark.full
def test_the_second_command(reader):
    """It does so in two processes."""
    _, second = block("bash")
    typed(second)

    assert ["user", "items", "scores", "titles"] == pl.read_parquet(reader / "faster.parquet").columns


@pytest.mark.usefixtures("reader")
def test_the_python():
    """It gives titles."""
    names = {}
    exec(block("python")[0], names)  # noqa: S102 -- our own page

    assert 5 == len(names["table"]["titles"][0])
    assert set(names["table"]["titles"][0]) < set(TITLES)
