"""The graph that is traced, before it is: its answers are the recommender's."""

import attrs
import pytest
import torch
from exporting.conftest import FILMS, WINDOW, answers, histories, made, of_family, read

from shortstack.data.catalogue import Catalogue, Item
from shortstack.errors import UnknownNameError
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
        with pytest.raises(ValueError, match="every history is a list of items, and k is from 1 to 5"):
            reading.recommend(*histories_and_k)


@pytest.mark.parametrize("k", [1, 4, FILMS])
def test_ties_go_to_the_first_item(reader_of, k):
    """As the recommender's do, where most items have the same row: ``topk`` of torch gives any of them."""
    recommender = made()
    rows = recommender.model.get_output_embeddings().weight
    tokens = recommender.catalogue.tokens
    with torch.no_grad():
        rows[tokens[2:]] = rows[tokens[2]].clone()
    asked = histories()

    assert answers(recommender, asked, k) == read(reader_of(recommender, k).recommend(asked))


def test_a_text_is_no_history(reader_of):
    """Where each of its letters is an item's id, too: one pair of brackets that is missing gave answers for others."""
    items = [Item(id=str(number), title=f"Film {number}", token=number) for number in range(1, 10)]
    reading = reader_of(attrs.evolve(made(), catalogue=Catalogue(items=items)), 3)

    assert 1 == len(reading.recommend([["3", "1", "8"]]))
    for histories_given in ("318", ["318"], iter(["318"]), [["3"], "8"]):
        with pytest.raises(ValueError, match="every history is a list of items"):
            reading.recommend(histories_given)


def test_an_empty_name_names_no_item(reader_of):
    """Items without a title are not found by it, as the recommender finds none."""
    recommender = attrs.evolve(made(), catalogue=Catalogue(items=[Item(id="m1", title="", token=1)]))
    reading = reader_of(recommender, 1)

    with pytest.raises(UnknownNameError):
        recommender.recommend([""])
    with pytest.raises(KeyError, match="''"):
        reading.recommend([[""]])


def test_the_model_is_left_alone(recommender):
    """Neither its modes nor its head change."""
    before = vars(recommender.model.get_output_embeddings()).keys()
    BestItems(recommender, 3)

    assert before == vars(recommender.model.get_output_embeddings()).keys()
    assert all(weight.requires_grad for weight in recommender.model.parameters())
