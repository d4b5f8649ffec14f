"""A recommender and a rater of sixteen films, in memory and in folders, and the service around them."""

from contextlib import contextmanager

import pytest
from pipeline.little_language_model import llama
from starlette.testclient import TestClient

from shortstack.data.catalogue import Catalogue, Item, Option
from shortstack.recommender import Recommender
from shortstack.serving.app import create_app
from shortstack.serving.limits import Limits
from shortstack.serving.loaded import Served

ITEMS = [
    Item(id=f"m{number}", title=f"Film {number}", token=number + 1, category=("Drama", "Drama|Comedy")[number % 2])
    for number in range(16)
]
SCALE = [Option(value=float(number), token=20 + number) for number in range(1, 6)]


def made(options=()):
    """A recommender of two layers that reads four items."""
    catalogue = Catalogue(items=ITEMS, options=options)
    return Recommender(model=llama(num_hidden_layers=2).eval(), catalogue=catalogue, window=4)


@pytest.fixture(scope="session")
def recommender():
    """It ranks films."""
    return made()


@pytest.fixture(scope="session")
def rater():
    """It rates films."""
    return made(SCALE)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, recommender):
    """The recommender as saved; not to be changed."""
    place = tmp_path_factory.mktemp("served") / "student"
    recommender.save_pretrained(place)
    return place


@contextmanager
def client(recommender, folder, *, teacher=None, token=None, workers=1, **limits):
    """A client of the service around a recommender."""
    served = Served(recommender=recommender, folder=folder, marks={})
    teacher = teacher and Served(recommender=teacher, folder=folder, marks={})
    with TestClient(create_app(served, teacher=teacher, limits=Limits(**limits), workers=workers, token=token)) as one:
        yield one


@pytest.fixture(scope="module")
def service(recommender, folder):
    """A client of a service with the usual limits, but for the body."""
    with client(recommender, folder, body=20_000) as one:
        yield one
