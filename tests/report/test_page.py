"""The page: whole, self-contained, and safe to open."""

import subprocess
import sys
from html.parser import HTMLParser

import matplotlib as mpl
import pytest

from shortstack.errors import SourceNotFoundError
from shortstack.report import write_report
from shortstack.report.page import render

FIGURES = ("agreement", "comparison", "compression", "importance", "convergence")
VOID = {"meta", "br", "img", "link", "input", "hr"}
NASTY = "<script>alert('x')</script> & \"$name\" $x$"


class Checker(HTMLParser):
    """Collects tags and ids, and checks that what is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        """Note a tag."""
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note a tag without contents."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        """Close the last tag."""
        assert tag == self.open.pop()


def checked(page):
    """Parse a page."""
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    return checker


def test_the_page_holds_every_figure_and_every_number(result, tmp_path):
    """Five figures, all methods, the verdict, the settings, the versions."""
    result.save(tmp_path)

    path = write_report(tmp_path)

    page = path.read_text(encoding="utf-8")
    assert tmp_path / "report.html" == path
    assert checked(page).tags.count("svg") == len(FIGURES)
    for name in FIGURES:
        assert f'id="{name}"' in page
    for text in ("95.5%", "0.0630", "shortstack/fisher", "ratings.csv", "100,004", "1,234.5", "5, 10", "strategic"):
        assert text in page
    assert result.verdict.splitlines()[0] in page.replace("&#x27;", "'")


def test_the_page_needs_nothing_but_itself(result):
    """No script, no link, no image, no font from anywhere; only names of XML vocabularies are addresses."""
    page = render(result)
    checker = checked(page)

    assert not {"script", "link", "img", "iframe", "object"} & set(checker.tags)
    addresses = [v for k, v in checker.attributes if k in {"src", "href", "xlink:href", "action"} and v[0] != "#"]
    assert addresses == []
    assert "@import" not in page
    assert "url(http" not in page


def test_ids_are_distinct_and_references_resolve(result):
    """Four figures on one page do not take each other's clip paths and markers."""
    attributes = checked(render(result)).attributes
    ids = [value for name, value in attributes if name == "id"]
    wanted = {value[1:] for name, value in attributes if name in {"href", "xlink:href"}}
    wanted |= {value[5:-1] for name, value in attributes if name == "clip-path"}

    assert len(ids) == len(set(ids))
    assert wanted <= set(ids)


def test_the_same_result_gives_the_same_page(result):
    """The same result gives the same page, byte for byte: no dates, no random ids."""
    assert render(result) == render(result)


def test_texts_of_the_result_are_escaped(changed, result, audited):
    """A data source, a scorer, a method or a setting may have any name."""
    page = render(
        changed(
            shortstack=NASTY,
            verdict=f"{NASTY}\n{NASTY}",
            plugins={NASTY: NASTY},
            config={"data": {"source": NASTY}, NASTY: NASTY},
            importance={NASTY: [1.0] * 12},
            audit=audited(NASTY),
            data={NASTY: NASTY},
            environment={NASTY: NASTY},
            selection={**result.selection, "reason": NASTY, "strategy": NASTY, "budget": NASTY},
            metrics={**result.metrics, NASTY: {"ndcg@10": 0.5, NASTY: 0.5}},
            comparisons={**result.comparisons, NASTY: {"ndcg@10": [1.0, 0.9, 1.1]}},
        )
    )

    assert "script" not in checked(page).tags
    assert "alert('x')" not in page.replace("&lt;script&gt;alert('x')", "")
    assert '"$name"' not in page.replace('&amp; "$name"', "")


def test_settings_of_trained_baselines(changed):
    """Each that was tried is a row, the chosen one in bold; a name is shown as text."""
    tried = [
        {"width": 64, "dropout": dropout, "learning_rate": 1e-3, "ndcg@10": value, "steps": 1000, "seconds": 1.5}
        for dropout, value in ((0.2, 0.11), (0.5, 0.12))
    ]
    setting = {"width": 64, "dropout": 0.5, "learning_rate": 1e-3}
    record = {"setting": setting, "parameters": 123_456, "tried": tried}
    page = render(changed(baselines={"sasrec": record, NASTY: record}))

    assert "<h3>Settings of SASRec</h3>" in page
    assert "they chose the one in bold, of 123,456 parameters" in page
    assert "<th>learning rate</th><th>NDCG@10</th>" in page
    assert "<td>64</td><td>0.2</td>" in page
    assert "<td><b>64</b></td><td><b>0.5</b></td>" in page
    assert "script" not in checked(page).tags


def test_a_result_of_one_method_has_a_page(changed):
    """Nothing trained, nothing scored, no scratch, no slices, no intervals: the page says so and does not fail."""
    page = render(
        changed(
            metrics={"teacher": {"ndcg@10": 0.1}, "student": {"ndcg@10": None}},
            intervals={},
            comparisons={},
            importance={},
            audit={},
            cost={},
        )
    )

    for text in (
        "no scorer was run",
        "no model was trained in this run",
        "No slices were evaluated.",
        "Nothing was recorded.",
        "The scorers were not audited",
    ):
        assert text in page
    checked(page)


def test_the_students_losses_have_a_table(changed, result):
    """Each loss's first and last values, weight, part of the total and gradient norm; names are escaped."""
    student = [
        {"step": 1, "loss": 7.0, "loss/a<b": 4.0, "weight/a<b": 1.0, "loss/soft": 3.0, "weight/soft": 1.0},
        {"step": 2, "loss": 4.0, "loss/a<b": 2.0, "weight/a<b": 1.5, "loss/soft": 0.5, "weight/soft": 2.0}
        | {"gradient_norm/a<b": 0.125, "gradient_norm/soft": 0.0625},
        {"step": 2, "loss": None, "ndcg@10": 0.1},
    ]
    points = [{"ndcg@10": None, "seconds": 1.0, **point} for point in student]
    page = render(changed(cost={**result.cost, "training": {"student": points}}))
    row = page.partition("<td>a&lt;b</td>")[2].partition("</tr>")[0]

    assert "<h3>The student's losses</h3>" in page
    assert "<th>gradient norm</th>" in page
    assert (
        "<td>2<small>from 4</small></td><td>1.5<small>from 1</small></td><td>0.75<small>from 0.5714</small></td>"
        "<td>0.125</td>" == row
    )
    checked(page)


def test_losses_that_were_not_recorded_have_no_table(changed, result):
    """A result of an earlier version, and a training in which no gradient norm was measured."""
    point = {"step": 1, "loss": 4.0, "loss/labels": 4.0, "weight/labels": 1.0, "ndcg@10": None, "seconds": 1.0}
    page = render(changed(cost={**result.cost, "training": {"student": [point]}}))

    assert "The student's losses" not in render(result)
    assert "<td>4<small>from 4</small></td>" in page
    assert "gradient norm" not in page


def test_sampled_ranks_are_called_so(changed, result):
    """Figures against 999 items look far better than those against all."""
    sampled = render(changed(config={**result.config, "evaluation": {"protocol": "sampled"}}))

    assert "ranked among 999 sampled items only" in sampled
    assert "ranked among the whole catalogue" in render(result)


def test_a_report_needs_no_torch():
    """It can be made, and remade, on a machine that only holds the figures."""
    code = "import sys, shortstack.report; sys.exit('torch' in sys.modules or 'polars' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("layers", [1, 48])
def test_any_depth_has_a_figure(changed, result, layers):
    """Any depth has a figure: one layer, or too many for ranks in the cells."""
    selection = {**result.selection, "kept": [layers - 1], "of": layers}

    checked(render(changed(importance={"fisher": [float(i) for i in range(layers)]}, selection=selection)))


def test_drawing_changes_nothing_global(result):
    """Settings of matplotlib are the user's."""
    before = dict(mpl.rcParams)

    render(result)

    assert before == dict(mpl.rcParams)


def test_a_folder_without_a_result_has_no_report(tmp_path):
    """The report reads only ``result.json``."""
    with pytest.raises(SourceNotFoundError, match="the run has not finished"):
        write_report(tmp_path)
