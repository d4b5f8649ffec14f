"""A study's page and figures: complete, escaped, self-contained, and only of what there are data for."""

import re
from html.parser import HTMLParser

import polars as pl
import pytest
from studies.made_up import FAILED, write_study

from shortstack import EmptyDataError, StudyResult, UnknownNameError
from shortstack.studies.figures import FIGURES
from shortstack.studies.report.page import render


class Elements(HTMLParser):
    """Counts elements, and gathers their attributes and texts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Record an element."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        """Record a text."""
        self.texts.append(data)


@pytest.fixture(scope="module")
def page(summary):
    """The page of the made-up study."""
    return render(summary)


def test_every_section_is_there(page):
    """Each figure has its heading, its description, and the same numbers as a table."""
    elements = Elements(page)
    described = [attrs["aria-label"] for tag, attrs in elements.tags if tag == "svg"]

    assert described == [drawing.description for drawing in FIGURES.values()]
    assert sum(tag == "details" for tag, _ in elements.tags) == len(FIGURES)
    for heading in ("What came out?", "Which runs failed?", "For whom is it worse?", "What was run"):
        assert heading in elements.texts


def test_the_page_loads_nothing(page):
    """No script, no address of anything but SVG's own names."""
    elements = Elements(page)

    assert not {tag for tag, _ in elements.tags} & {"script", "link", "img", "iframe"}
    assert not [attrs for _, attrs in elements.tags if "src" in attrs]
    assert not re.findall(r"url\((?!#)", page)


def test_texts_are_escaped(page):
    """What is named like a tag is read as text."""
    elements = Elements(page)
    texts = "".join(elements.texts)

    assert "films & <series>" in texts
    assert f"{FAILED}" in texts
    assert "no room for 3 of $5 <files> in C:\\data_1 & the rest" in texts
    assert not {"series", "files"} & {tag for tag, _ in elements.tags}


def test_numbers_are_those_of_the_results(made_up, page):
    """Each setting's mean is in the table."""
    texts = Elements(page).texts
    table = made_up.to_polars().filter(model="student")
    means = table.group_by("variant", "selection.scorer", "selection.keep_ratio").agg(pl.col("ndcg@10").mean())[
        "ndcg@10"
    ]

    assert [mean for mean in means if f"{mean:.4f}" not in texts] == []


def test_a_single_run_has_few_sections(tmp_path):
    """No ablations and no heat map, where nothing varies."""
    study = write_study(tmp_path, variants=("films",), scorers=("fisher",), ratios=(0.5,), seeds=(0,))
    page = render(StudyResult.load(study)._summary)

    assert "Which layers stay?" in page
    assert "What does each setting change?" not in page
    assert "Who selects well" not in page


def test_a_study_without_a_finished_run_has_a_page(tmp_path):
    """It says what failed."""
    result = StudyResult.load(write_study(tmp_path, variants=()))
    page = result.report().read_text(encoding="utf-8")

    assert "0 of 1 runs finished, 1 failed." in page
    assert FAILED in page


def test_figures_in_python(made_up):
    """By their names, as matplotlib has them."""
    for name in FIGURES:
        assert made_up.figure(name).axes
    with pytest.raises(UnknownNameError, match="figure of a study 'paretto'; did you mean 'pareto'"):
        made_up.figure("paretto")


def test_a_figure_without_data(tmp_path):
    """What it would need is said."""
    study = StudyResult.load(write_study(tmp_path, variants=("films",), ratios=(0.5,), seeds=(0,), cases=False))

    with pytest.raises(
        EmptyDataError, match=r"has no data for the figure 'scorers', which needs two scorers .*; choose"
    ):
        study.figure("scorers")
