"""The graph that is traced, before it is: its answers are the recommender's."""

import pytest
import torch
from exporting.conftest import FILMS, WINDOW, answers, histories, made, of_family, read

from shortstack.exporting import reader
from shortstack.exporting.graph import BestItems
from shortstack.exporting.reader import Reader

FAMILIES = ("gpt2", "gemma2", "qwen3_moe")


class Session:
    """A session of onnxruntime in which the graph runs as it is."""

    graph = None

    def __init__(self, *_, **__):
        """Nothing is loaded."""

    def run(self, _, inputs):
        """Return items and scores."""
        with torch.no_grad():
            return [
                part.numpy() for part in self.graph(*(torch.tensor(inputs[name]) for name in ("histories", "left_out")))
            ]


@pytest.fixture
def reader_of(tmp_path, monkeypatch):
    """A function that gives a reader of a recommender's graph."""

    def made_reader(recommender, k):
        from shortstack.exporting.export import _write_catalogue

        monkeypatch.setattr(Session, "graph", BestItems(recommender, k))
        monkeypatch.setattr(reader.onnxruntime, "InferenceSession", Session)
        _write_catalogue(tmp_path, recommender, k)
        return Reader(tmp_path)

    return made_reader


@pytest.mark.parametrize("family", ["with an opening", *FAMILIES])
@pytest.mark.parametrize("exclude", [True, False])
def test_answers(reader_of, family, exclude):
    """Of histories shorter and longer than the window, read together; all items asked for, fewer are left."""
    recommender = of_family(family) if family in FAMILIES else made(opening=(30, 31))
    asked = histories()
    items, scores = answers(recommender, asked, FILMS, exclude_seen=exclude)

    assert (items, scores) == read(reader_of(recommender, FILMS).recommend(asked, exclude_seen=exclude))
    assert {len(answer) for answer in items} != {FILMS} or not exclude


def test_names_and_numbers(reader_of, recommender):
    """By title, of which the first counts; the recommender's own rule for seen items; fewer than k."""
    reading, asked = reader_of(recommender, 5), [["Film 0", "Film 1"], ["m7"]]

    assert answers(recommender, asked, 3)[0] == read(reading.recommend(asked, 3))[0]
    assert WINDOW == reading.catalogue["window"]
    assert "exclude" == reading.catalogue["seen"]
    with pytest.raises(KeyError, match="Film 99"):
        reading.recommend([["Film 99"]])
    # a row without items would get the scores of no history at all
    for histories_and_k in (([["m7"], []], None), (asked, 0), (asked, -1), (asked, 6), (asked, 1.5), (asked, "3")):
        with pytest.raises(ValueError, match="every history needs an item, and k is from 1 to 5"):
            reading.recommend(*histories_and_k)


def test_the_model_is_left_alone(recommender):
    """Neither its modes nor its head change."""
    before = vars(recommender.model.get_output_embeddings()).keys()
    BestItems(recommender, 3)

    assert before == vars(recommender.model.get_output_embeddings()).keys()
    assert all(weight.requires_grad for weight in recommender.model.parameters())
