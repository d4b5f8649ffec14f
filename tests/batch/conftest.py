"""A recommender of sixteen films in a folder, and users of them."""

import random

import polars as pl
import pytest
from serving.conftest import ITEMS, SCALE, made

from shortstack.progress import Silent


@pytest.fixture(scope="session")
def recommender():
    """It ranks films."""
    return made()


@pytest.fixture(scope="session")
def folder(tmp_path_factory, recommender):
    """The recommender as saved; not to be changed."""
    place = tmp_path_factory.mktemp("batch") / "student"
    recommender.save_pretrained(place)
    return place


@pytest.fixture(scope="session")
def rater_folder(tmp_path_factory):
    """A recommender that rates."""
    place = tmp_path_factory.mktemp("batch") / "rater"
    made(SCALE).save_pretrained(place)
    return place


@pytest.fixture(scope="session")
def users():
    """A frame of 150 users with one to six films each: by id, and every third by title."""
    draw = random.Random(0)
    rows = []
    for user in range(150):
        films = draw.choices(ITEMS, k=draw.randint(1, 6))
        rows.append({"user": user, "items": [film.title if user % 3 else film.id for film in films]})
    return pl.DataFrame(rows)


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 64 users."""
    monkeypatch.setattr("shortstack.batch.parts.USERS", 64)
    monkeypatch.setattr("shortstack.batch.recommend_users.USERS", 64)


class Noted(Silent):
    """Progress that keeps what it receives."""

    def __init__(self):
        self.notes, self.done = [], []

    def note(self, text):
        """Keep it."""
        self.notes.append(text)

    def job(self, name, total):
        """Keep what is done."""
        from contextlib import nullcontext

        self.total = (name, total)
        return nullcontext(lambda done, note="": self.done.append(done))


@pytest.fixture
def noted():
    """Progress that keeps what it receives."""
    return Noted()
