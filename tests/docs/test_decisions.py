"""Decisions: a file each, and the list that is written from them."""

from datetime import date

import pytest
from documents import ROOT

from docs.writers.decisions import FOLDER, TOPICS, all_decisions, decisions_page


@pytest.fixture
def folder(tmp_path):
    """Three decisions in two topics."""
    for name, day in {
        "data/b-later": "2026-02-01",
        "data/a-first": "2026-01-31",
        "resuming/c-other": "2026-01-31",
    }.items():
        path = tmp_path / f"{name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# `{path.stem}` is chosen\n\n{day}\n\nBecause it works.\n", encoding="utf-8")
    return tmp_path


def test_every_decision_has_the_form():
    """Topic, heading, day, and three words or more are what is read; names and headings differ."""
    decisions = all_decisions()
    titles = [one.title for one in decisions]

    assert len(decisions) > 200
    assert {one.path.parts[0] for one in decisions} == {*TOPICS}
    assert sorted({*titles}) == sorted(titles)
    assert [one.title for one in decisions if one.title.endswith(".") or len(one.title.split()) < 3] == []
    assert [one.path for one in decisions if not date(2026, 11, 24) <= one.day] == []  # the first day of the project


def test_the_list_is_newest_first(folder):
    """By topic, in the order of the topics, with day, heading and link."""
    page = decisions_page(folder)

    assert page.index("## Data") < page.index("* 2026-02-01: [`b-later` is chosen](data/b-later.md)")
    assert page.index("(data/b-later.md)") < page.index("* 2026-01-31: [`a-first` is chosen](data/a-first.md)")
    assert page.index("## Runs") < page.index("(resuming/c-other.md)") < page.index("## Many processes")


@pytest.mark.parametrize("name", ["loose.md", "elsewhere/some-choice.md", "data/deep/some-choice.md", "data/notes.txt"])
def test_a_file_outside_the_topics(folder, name):
    """It would be in no list."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# Some choice was made\n\n2026-01-31\n\nBecause it works.\n", encoding="utf-8")

    with pytest.raises(ValueError, match=rf"^{name} is no TOPIC/NAME\.md; topics are data, teachers, "):
        all_decisions(folder)


@pytest.mark.parametrize(
    "text",
    [
        "Some choice was made\n\n2026-01-31\n\nBecause it works.\n",
        "# Some choice was made\n\nBecause it works.\n",
        "# Some choice was made\n\n31 January 2026\n\nBecause it works.\n",
        "# Some choice was made\n\n2026-01-31\nBecause it works.\n",
        "# Some choice was made\n\n2026-01-31\n\nIt works.\n",
        "",
    ],
)
def test_another_form(folder, text):
    """Without heading, day, blank line or reason."""
    (folder / "data" / "a-first.md").write_text(text, encoding="utf-8")

    with pytest.raises(
        ValueError, match=r"^data/a-first\.md is not '# what', a day as 2026-01-31, and why in three words"
    ):
        all_decisions(folder)


def test_a_day_that_no_month_has(folder):
    """The message says which part is wrong."""
    (folder / "data" / "a-first.md").write_text("# A choice\n\n2026-02-30\n\nBecause it works.\n", encoding="utf-8")

    with pytest.raises(ValueError, match=r"^data/a-first\.md has no day 2026-02-30: day.* month"):
        all_decisions(folder)


def test_two_of_one_name(folder):
    """Also in two topics."""
    (folder / "data" / "c-other.md").write_text("# A choice\n\n2026-01-31\n\nBecause it works.\n", encoding="utf-8")

    with pytest.raises(ValueError, match=r"^resuming/c-other\.md has the name of data/c-other\.md"):
        all_decisions(folder)


def test_it_reads_the_decisions_of_this_repository():
    """The folder of the page is that of the documents."""
    assert FOLDER == ROOT / "docs" / "decisions"
