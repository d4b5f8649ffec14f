"""``Recommender``: recommends from titles, saves and loads, and says what is wrong."""

import json
import math

import attrs
import pytest
import torch

from shortstack.data.catalogue import Catalogue, Item
from shortstack.errors import (
    ConfigurationError,
    DataError,
    EmptyDataError,
    NonFiniteError,
    RunFolderError,
    SourceNotFoundError,
    UnknownNameError,
)
from shortstack.recommender import Recommendation, Recommender

ITEMS = 20


@pytest.fixture
def catalogue():
    """Twenty films whose tokens are neither in order nor first in the vocabulary."""
    return Catalogue(items=[Item(id=f"m{i}", title=f"Film {i} (1995)", token=60 - 2 * i) for i in range(ITEMS)])


@pytest.fixture
def recommender(teacher, catalogue, build):
    """A student of two layers that reads five items."""
    return Recommender(model=build(teacher, [0, 5]), catalogue=catalogue, window=5)


def expected_scores(recommender, history):
    """Return log p(item | last five of the history) over the catalogue, in float64, by one plain forward pass."""
    tokens = [recommender.catalogue.items[i].token for i in history][-5:]
    with torch.no_grad():
        logits = recommender.model(input_ids=torch.tensor([tokens])).logits[0, -1].double()
    row = [float(logits[item.token]) for item in recommender.catalogue.items]
    total = math.log(sum(math.exp(value) for value in row))
    return [value - total for value in row]


def test_the_most_likely_items_come_first(recommender):
    """The same as ranking one plain forward by hand; scores are log-probabilities over the catalogue."""
    history = [3, 7, 1]
    scores = expected_scores(recommender, history)
    order = sorted((i for i in range(ITEMS) if i not in history), key=lambda i: -scores[i])[:4]

    recommendations = recommender.recommend(["Film 3 (1995)", "m7", "Film 1 (1995)"], k=4)

    assert [f"m{i}" for i in order] == [r.id for r in recommendations]
    assert [f"Film {i} (1995)" for i in order] == [r.title for r in recommendations]
    assert [scores[i] for i in order] == pytest.approx([r.score for r in recommendations], abs=1e-5)


@pytest.mark.parametrize("k", [1, 3, 7, ITEMS])
def test_ties_go_to_the_first_in_the_catalogue(recommender, k):
    """All items alike; and two that stand above them, the later one first in the vocabulary."""
    with torch.no_grad():
        recommender.model.lm_head.weight.zero_()
    alike = [r.id for r in recommender.recommend(["m1"], k=k)]
    with torch.no_grad():
        state = recommender.model.base_model(input_ids=torch.tensor([[recommender.catalogue.items[1].token]]))[0][0, -1]
        recommender.model.lm_head.weight[[recommender.catalogue.items[n].token for n in (12, 4)]] = state
    above = [r.id for r in recommender.recommend(["m1"], k=k)]

    left = [n for n in range(ITEMS) if n != 1]
    assert [f"m{n}" for n in left][:k] == alike
    assert [f"m{n}" for n in sorted(left, key=lambda n: n not in {4, 12})][:k] == above


def test_seen_items_may_be_let_in(recommender):
    """Without exclusion all items come, and their probabilities sum to one."""
    everything = recommender.recommend(["m3", "m7"], k=100, exclude_seen=False)

    assert len(everything) == ITEMS
    assert sum(math.exp(r.score) for r in everything) == pytest.approx(1.0, abs=1e-5)
    assert len(recommender.recommend(["m3", "m7"], k=100)) == ITEMS - 2
    assert recommender.recommend([f"m{i}" for i in range(ITEMS)]) == []


def test_only_the_window_is_read(recommender):
    """Items before the window change only which items are excluded as seen."""
    recent = [f"m{i}" for i in range(5)]
    assert recommender.recommend(recent, exclude_seen=False) == recommender.recommend(
        ["m9", "m8", *recent], exclude_seen=False
    )
    assert not {"m8", "m9"} & {r.id for r in recommender.recommend(["m9", "m8", *recent], k=ITEMS)}


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_many_are_the_same_as_one_by_one(recommender, batch_size):
    """Histories of different lengths, padded together, in the order they were given."""
    histories = [["m1"], ["m2", "m3", "m4", "m5", "m6", "m7"], ["m8", "m9"], ["m1", "m2", "m3"]]
    many = recommender.recommend_many(histories, 3, batch_size=batch_size)

    for history, recommendations in zip(histories, many, strict=True):
        alone = recommender.recommend(history, 3)
        assert [r.id for r in alone] == [r.id for r in recommendations]
        assert [r.score for r in alone] == pytest.approx([r.score for r in recommendations], abs=1e-5)
    assert recommender.recommend_many([]) == []


def test_few_rows_of_a_large_catalogue_at_once(recommender, monkeypatch):
    """The items are the same, the tied ones too, if the scores of two histories fill the memory."""
    histories = [[f"m{place}"] for place in range(5)]
    weights = recommender.model.lm_head.weight.data
    weights[::4] = weights[0]
    whole = recommender.recommend_many(histories, 6)
    monkeypatch.setattr("shortstack.models.top_scores.SCORES", 2 * ITEMS)
    parts = recommender.recommend_many(histories, 6)

    assert [[r.id for r in answer] for answer in whole] == [[r.id for r in answer] for answer in parts]
    scores = [[r.score for answer in answers for r in answer] for answers in (whole, parts)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_ties_go_to_the_first_of_the_catalogue(recommender):
    """A collapsed model recommends in the order of the catalogue, the same each time."""
    recommender.model.lm_head.weight.data.zero_()

    assert [r.id for r in recommender.recommend(["m0"], 3)] == ["m1", "m2", "m3"]


def test_round_trip(recommender, tmp_path):
    """Saved and loaded: the same answers; stock files, safetensors only."""
    folder = tmp_path / "runs" / "student"
    recommender.save_pretrained(folder)
    again = Recommender.from_pretrained(str(folder))

    assert recommender.recommend(["m4", "m2"]) == again.recommend(["m4", "m2"])
    assert again.window == 5
    assert not again.model.training
    expected = ["config.json", "generation_config.json", "items.jsonl", "model.safetensors", "recommender.json"]
    assert expected == sorted(path.name for path in folder.iterdir())
    assert [folder] == list(folder.parent.iterdir())  # nothing half-written beside it


def test_other_files_of_the_folder_stay(recommender, tmp_path):
    """A stage keeps its logs beside the model."""
    (tmp_path / "history.json").write_text("{}")
    recommender.save_pretrained(tmp_path)

    assert (tmp_path / "history.json").read_text() == "{}"


def test_a_recommender_is_not_overwritten(recommender, tmp_path):
    """Neither a stored recommender nor a file of that name is overwritten."""
    recommender.save_pretrained(tmp_path / "student")
    with pytest.raises(RunFolderError, match="student holds a recommender already; choose a new folder"):
        recommender.save_pretrained(tmp_path / "student")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="file holds a recommender already"):
        recommender.save_pretrained(tmp_path / "file")


def test_a_save_that_fails_leaves_no_recommender(recommender, tmp_path, monkeypatch):
    """``recommender.json`` is written last, and nothing unfinished stays."""

    def full(_self, _folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Catalogue, "save", full)
    with pytest.raises(OSError, match="No space left on device"):
        recommender.save_pretrained(tmp_path / "student")

    assert list((tmp_path / "student").iterdir()) == []
    assert [tmp_path / "student"] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"history": []}, EmptyDataError, "history 0 is empty: give at least one item"),
        (
            {"history": "Film 1 (1995)"},
            ConfigurationError,
            "history takes a list of texts, got the text 'Film 1",
        ),
        ({"history": ["Film 1 (1996)"]}, UnknownNameError, r"unknown item 'Film 1 \(1996\)'; did you mean"),
        ({"history": ["m1"], "k": 0}, ConfigurationError, "k must be a whole number from 1, got 0"),
        ({"history": ["m1"], "k": "3"}, ConfigurationError, "k must be a whole number from 1, got '3'"),
        (
            {"history": ["m1"], "candidates": "m12"},
            ConfigurationError,
            r"candidates takes a list of texts, got the text 'm12'; write \['m12'\]",
        ),
        (
            {"history": ["m1"], "categories": "Drama"},
            ConfigurationError,
            r"categories takes a list of texts, got the text 'Drama'; write \['Drama'\]",
        ),
        (
            {"history": ["m1"], "exclude_seen": "no"},
            ConfigurationError,
            "exclude_seen must be True, False or None, got 'no'",
        ),
    ],
)
def test_what_cannot_be_answered(recommender, arguments, error, message):
    """The error is one line that names the value and what is allowed."""
    with pytest.raises(error, match=message):
        recommender.recommend(**arguments)


def test_a_wrong_flag_for_a_table(recommender):
    """A text is true, whatever it says."""
    with pytest.raises(ConfigurationError, match="exclude_seen must be True, False or None, got 'no'"):
        recommender.recommend_frame({"user": ["a"], "items": [["m1"]]}, exclude_seen="no")


def test_a_batch_of_none(recommender):
    """The size of a batch is at least one."""
    with pytest.raises(ConfigurationError, match="batch_size must be a whole number from 1, got 0"):
        recommender.recommend_many([["m1"]], batch_size=0)


@pytest.mark.parametrize("histories", [None, 3, "m1", {"m1": 1}])
def test_histories_that_are_no_list(recommender, histories):
    """They are named, before any is read."""
    with pytest.raises(
        ConfigurationError, match="histories is a list of histories, each a list of titles or ids, got "
    ):
        recommender.recommend_many(histories)


def test_logits_that_are_no_numbers(recommender):
    """NaN ranks nothing."""
    recommender.model.model.norm.weight.data.fill_(torch.nan)
    with pytest.raises(NonFiniteError, match="the model's logits are NaN or infinite; it cannot rank items"):
        recommender.recommend(["m1"])


def test_a_vocabulary_that_does_not_hold_the_items(recommender):
    """Model and items of different runs."""
    items = [Item(id="m1", title="", token=3), Item(id="m2", title="", token=64)]
    with pytest.raises(ConfigurationError, match="vocabulary of 64 tokens does not hold the items: 'm2' is token 64"):
        attrs.evolve(recommender, catalogue=Catalogue(items=items))
    with pytest.raises(EmptyDataError, match="the catalogue is empty: there is nothing to recommend"):
        attrs.evolve(recommender, catalogue=Catalogue(items=[]))


def test_a_window_that_the_model_cannot_read(recommender):
    """The tiny model has 64 positions."""
    with pytest.raises(ConfigurationError, match="window must be at least 1, got 0"):
        attrs.evolve(recommender, window=0)
    with pytest.raises(
        ConfigurationError, match="a window of 65 items may be 65 tokens, but this model reads 64; choose"
    ):
        attrs.evolve(recommender, window=65)


@pytest.mark.parametrize("history", [5, None, [3]])
def test_histories_that_are_none(recommender, history):
    """Any malformed history gives an error of one sentence."""
    with pytest.raises(
        ConfigurationError, match=r"a history is a list of titles or ids, got|an item is named by its title or id"
    ):
        recommender.recommend(history)


def test_folders_that_are_no_recommender(recommender, tmp_path):
    """Each missing or broken file is named."""
    with pytest.raises(SourceNotFoundError, match=r"recommender.json is not there: .*nothing is no recommender"):
        Recommender.from_pretrained(tmp_path / "nothing")
    recommender.save_pretrained(tmp_path / "student")
    file = tmp_path / "student" / "recommender.json"
    for text in ("no JSON", "[]"):
        file.write_text(text)
        with pytest.raises(DataError, match=r'recommender.json must say \{"window": N\}'):
            Recommender.from_pretrained(tmp_path / "student")
    for fields, shown in (({"window": "5"}, "'5'"), ({}, "None")):
        file.write_text(json.dumps(fields))
        with pytest.raises(DataError, match=f"must say a whole number as window, got {shown}"):
            Recommender.from_pretrained(tmp_path / "student")
    file.write_text(json.dumps({"window": 5}))
    (tmp_path / "student" / "items.jsonl").unlink()
    with pytest.raises(SourceNotFoundError, match=r"items.jsonl is not there"):
        Recommender.from_pretrained(tmp_path / "student")


def test_recommendations_are_values():
    """Two equal ones are equal, and a difference in any field is one."""
    first = Recommendation(id="a", title="A", score=-1.0)

    assert first == Recommendation(id="a", title="A", score=-1.0)
    for change in ({"id": "b"}, {"title": "B"}, {"score": -2.0}):
        assert first != attrs.evolve(first, **change)
