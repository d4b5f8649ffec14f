"""Recommenders of sixteen films, and what they recommend."""

import numpy as np
import pytest
from pipeline.little_language_model import llama
from students.tiny_families import tiny_teacher

from shortstack import build_student
from shortstack.data.catalogue import Catalogue, Item, Option
from shortstack.recommender import Recommender

FILMS = 16
WINDOW = 4


def films(first=1, options=(), opening=()):
    """A catalogue whose second and third film share a title."""
    titles = ["Film 0", "Film 1", "Film 1", *(f"Film {number}" for number in range(3, FILMS))]
    items = [Item(id=f"m{number}", title=title, token=first + number) for number, title in enumerate(titles)]
    return Catalogue(items=items, options=options, opening=opening)


def made(**catalogue):
    """A recommender of one Llama layer that reads four films."""
    return Recommender(model=llama(num_hidden_layers=1).eval(), catalogue=films(**catalogue), window=WINDOW)


def of_family(family):
    """A recommender of two of a tiny model's six layers."""
    return Recommender(
        model=build_student(tiny_teacher(family), [0, 4]).eval(), catalogue=films(first=10), window=WINDOW
    )


def histories(count=200):
    """Names of films, one to nine of them, by id."""
    random = np.random.default_rng(3)
    return [[f"m{number}" for number in random.integers(FILMS, size=random.integers(1, 10))] for _ in range(count)]


def answers(recommender, asked, k, **rule):
    """What the recommender says, as a reader of its export says it."""
    lists = recommender.recommend_many(asked, k, **rule)
    return [[(one.id, one.title) for one in answer] for answer in lists], [
        [pytest.approx(one.score, abs=1e-4) for one in answer] for answer in lists
    ]


def read(lists):
    """What a reader says, in the same form."""
    return [[(one, title) for one, title, _ in answer] for answer in lists], [
        [score for *_, score in answer] for answer in lists
    ]


@pytest.fixture(scope="session")
def recommender():
    """It leaves out what was seen."""
    return made()


@pytest.fixture(scope="session")
def folder(tmp_path_factory, recommender):
    """The recommender as saved; not to be changed."""
    place = tmp_path_factory.mktemp("exported") / "student"
    recommender.save_pretrained(place)
    return place


SCALE = [Option(value=float(number), token=20 + number) for number in range(1, 6)]
