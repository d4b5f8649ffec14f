"""The page at ``/`` in a headless Chromium: by keyboard alone, on a desktop and on a phone."""

import re
import shutil
from urllib.parse import urlsplit

import pytest
from pipeline.little_language_model import llama
from serving.browser import ARROW_DOWN, ENTER, TAB, browser
from serving.conftest import ITEMS
from serving.test_process import served

from shortstack.data.catalogue import Catalogue
from shortstack.recommender import Recommender

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(shutil.which("chromedriver") is None, reason="there is no chromedriver on this machine"),
]
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def teacher():
    """A recommender of the same films with more layers."""
    return Recommender(model=llama(num_hidden_layers=4).eval(), catalogue=Catalogue(items=ITEMS), window=4)


@pytest.fixture(scope="module")
def run(tmp_path_factory, recommender, teacher):
    """A run's folder with both models."""
    place = tmp_path_factory.mktemp("page") / "run"
    recommender.save_pretrained(place / "student")
    teacher.save_pretrained(place / "teacher")
    return place


@pytest.fixture(scope="module")
def window(run):
    """A browser, and the address of a service of both models."""
    with served(run) as (_, address), browser() as one:
        yield one, address


def lines(page, part):
    """The lines of a list."""
    return page.value(f"[...document.querySelectorAll('#{part} button span')].map((one) => one.textContent)")


def after(page, history):
    """Both models' lists once the page shows this history and what comes next."""
    shown = "[...document.querySelectorAll('#history button span')].map((one) => one.textContent).join()"
    page.wait_for(f"{shown} === '{','.join(history)}'")
    page.wait_for("document.querySelector('main').ariaBusy === 'false'")
    return lines(page, "student"), lines(page, "teacher")


def titles(recommender, history):
    """What a recommender gives."""
    return [one.title for one in recommender.recommend(history)]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_history_by_keyboard(window, recommender, teacher, size):
    """Typed, chosen with Enter or arrows, removed again; both models answer each time, with how long that took."""
    page, address = window
    page.open(address, *size)
    page.wait_for("document.querySelectorAll('#matches button').length === 10")
    page.press("film 7")
    page.wait_for("document.querySelector('#matches').innerText === 'Film 7'")
    page.press(ENTER)
    first = after(page, ["Film 7"])
    page.press("FILM 1")
    page.wait_for("document.querySelector('#matches').innerText.startsWith('Film 1')")
    page.press(ARROW_DOWN * 2 + ENTER)  # the second of Film 1, Film 10, …
    second = after(page, ["Film 7", "Film 10"])
    page.press(TAB * 11 + ENTER)  # past ten films to the history's first line, which removes it
    third = after(page, ["Film 10"])

    for history, lists in ((["m7"], first), (["m7", "m10"], second), (["m10"], third)):
        assert (titles(recommender, history), titles(teacher, history)) == lists
    assert first != second
    for model in ("student", "teacher"):
        assert re.match(
            r"answered in \d+\.\d ms; \d+ of 10 in both lists",
            page.value(f"document.querySelector('#{model}-time').innerText"),
        )


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_fits(window, size):
    """Nothing is wider than the window, which a phone would have to scroll, and lists lie side by side where there is room."""
    page, address = window
    page.open(address, *size)
    page.wait_for("document.querySelectorAll('#matches button').length")
    page.press(ENTER)
    after(page, ["Film 0"])
    tops = page.value("['student', 'teacher'].map((one) => document.getElementById(one).getBoundingClientRect().top)")

    assert page.value("document.documentElement.scrollWidth") <= size[0]
    assert (size == DESKTOP) == (tops[0] == tops[1])


def test_nothing_from_elsewhere(window):
    """Every request goes to the service, and the console has no complaint."""
    page, address = window
    page.open(address, *DESKTOP)
    page.wait_for("document.querySelectorAll('#matches button').length")

    assert {urlsplit(address).netloc} == page.hosts()
    assert [] == page.errors()
