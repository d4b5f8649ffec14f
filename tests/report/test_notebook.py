"""Displays in a notebook: small tables, in which nothing from data or plugins is markup."""

import re
from html.parser import HTMLParser

import attrs
import pytest
import torch

from shortstack import Importance, RunResult, Selection

NASTY = "<img src=x onerror=alert(1)> & \u202eseineewt"


class Parts(HTMLParser):
    """The tags of a display and its texts."""

    def __init__(self, display):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(display)

    def handle_starttag(self, tag, attrs):
        """Note a tag."""
        self.tags.append(tag)

    def handle_data(self, data):
        """Note a text."""
        self.texts.append(data)


def test_result_shows_verdict_and_headline_metrics(result):
    """One row for each method, with its parameters if it is a model."""
    parts = Parts(result._repr_html_())

    assert result.verdict.splitlines()[0] == parts.texts[0]
    assert ["HR@10", "NDCG@10", "MRR@10"] == [text for text in parts.texts if re.fullmatch("[A-Z]+@10", text)]
    assert ["student", "400", "0.1260", "0.0630", "0.0504"] == parts.texts[-5:]
    assert 1 + len(result.metrics) == parts.tags.count("tr")


def test_result_is_short_as_text(result, tmp_path):
    """In a terminal it is one line: the folder, and what the verdict says first."""
    result.save(tmp_path)

    assert f"RunResult({str(tmp_path)!r}): {result.verdict.splitlines()[0]}" == repr(RunResult.load(tmp_path))


def test_undefined_metric_is_a_dash(changed):
    """None is no number."""
    metrics = {"student": {"hr@10": None, "ndcg@10": 0.5, "mrr@10": 0.25}}

    assert ["student", "400", "–", "0.5000", "0.2500"] == Parts(changed(metrics=metrics)._repr_html_()).texts[-5:]


def test_selection_shows_layers_and_reason():
    """What was not said, as the budget here, has no row."""
    texts = Parts(Selection(kept=(0, 11), of=12, reason="given")._repr_html_()).texts

    assert ["selection", "layers", "0, 11 of 12", "strategy", "given", "reason", "given"] == texts


def test_importance_shows_every_layer():
    """A column for each."""
    scores = torch.tensor([0.5, -1.25, 3e-7], dtype=torch.float64)
    texts = Parts(Importance(scores=scores, examples=4)._repr_html_()).texts

    assert ["layer", "0", "1", "2", "score", "0.5", "-1.25", "3e-07"] == texts


@pytest.fixture(params=["verdict", "method", "reason"])
def nasty(request, result):
    """A display with a text that is markup and has a mark of direction."""
    values = result.metrics["student"]
    displays = {
        "verdict": attrs.evolve(result, verdict=NASTY),
        "method": attrs.evolve(result, metrics={NASTY: values}),
        "reason": Selection(kept=(0,), of=2, strategy=NASTY, budget=NASTY, reason=NASTY),
    }
    return displays[request.param]._repr_html_()


def test_texts_are_escaped(nasty):
    """Markup is shown as text, and a mark of direction spelt out."""
    parts = Parts(nasty)

    assert "img" not in parts.tags
    assert NASTY.replace("\u202e", "\\u202e") in parts.texts
