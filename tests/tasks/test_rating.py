"""Examples of the task rating: pairs of an item and its rating, ratings as the only labels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from shortstack import CompactStudentModel
from shortstack.data.catalogue import Catalogue, Item, Option
from shortstack.data.rated_histories import RatedHistories
from shortstack.data.sequences import Sequences
from shortstack.errors import ConfigurationError, DataError, UnknownNameError
from shortstack.evaluation.raters import ModelRater
from shortstack.evaluation.ratings import RatingCases
from shortstack.models.candidates import supervision
from shortstack.tasks import Task, collate, named_task
from shortstack.tasks.rating import Rating

ITEMS, SCALE = 30, (1.0, 2.5, 5.0)
CATALOGUE = Catalogue(
    items=[Item(id=f"i{i}", title=f"T{i}", token=i + 1) for i in range(ITEMS)],
    options=[Option(value=value, token=ITEMS + 1 + i) for i, value in enumerate(SCALE)],
)


def sequences(lengths, ratings=True):
    """Return users with the given numbers of training items, then valid and test."""
    splits = [code for train in lengths for code in [0] * train + [1, 2]]
    return Sequences(
        items=np.arange(len(splits)) % ITEMS,
        offsets=np.concatenate([[0], np.cumsum([train + 2 for train in lengths])]).astype(np.int64),
        splits=np.array(splits, dtype=np.int8),
        catalogue_size=ITEMS,
        ratings=np.arange(len(splits)) * 7 % 3 if ratings else None,
    )


@given(st.lists(st.integers(0, 12), min_size=1, max_size=4).filter(any), st.integers(1, 5))
def test_every_training_rating_is_a_label(lengths, window):
    """Each training rating is a label after its item, with earlier pairs only, none of a later split."""
    made = sequences(lengths)
    tokens = RatedHistories.of(made, CATALOGUE).tokens
    examples = Rating(window=window).training_examples(made, CATALOGUE)
    labels = set()
    for example in examples:
        positions, targets = supervision(collate([example])["labels"])
        for place, target in zip(positions[0].nonzero()[:, 0].tolist(), targets.tolist(), strict=True):
            assert target > ITEMS
            labels.add((example["input_ids"][place], target))
    train = np.flatnonzero(made.splits == 0)

    assert labels == {(tokens[2 * row], tokens[2 * row + 1]) for row in train}
    assert max(examples.lengths) <= Rating(window=window).longest


def test_calibration_has_one_label_each():
    """The last training rating of each user."""
    made = sequences([3, 1, 0, 5])
    examples = Rating(window=4).calibration_examples(made, CATALOGUE, count=9)
    labels = [[label for label in example["labels"] if label >= 0] for example in examples]

    assert [len(each) for each in labels] == [1, 1, 1]
    assert isinstance(Rating(), Task)
    assert Rating().candidates(CATALOGUE).tolist() == [31, 32, 33]


def model():
    """Return a small model that knows all tokens."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=CATALOGUE.vocabulary,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    return LlamaForCausalLM(config).eval()


def test_predictions_are_those_of_the_plain_model(tmp_path):
    """Predictions equal the plain model's on single unpadded cases, and those of a saved student."""
    made, plain = sequences([6, 2, 0]), model()
    cases = RatingCases.of(made, SCALE, "test")
    histories = RatedHistories.of(made, CATALOGUE)
    rater = ModelRater(model=plain, histories=histories, options=Rating().candidates(CATALOGUE), window=4, tokens=8)
    predictions = rater.predict(cases)
    CompactStudentModel(model=plain, catalogue=CATALOGUE, window=4).save_pretrained(tmp_path / "student")
    student = CompactStudentModel.from_pretrained(tmp_path / "student")
    for case, row in enumerate(cases.rows):
        start = max(cases.starts[case], row - 3)
        ids = torch.tensor([histories.question(start, row, row)])
        with torch.no_grad():
            chances = plain(ids).logits[0, -1, ITEMS + 1 :].double().softmax(-1)
        assert predictions.values[case] == pytest.approx(
            float(chances @ torch.tensor(SCALE, dtype=torch.float64)), abs=1e-5
        )
        assert predictions.chances[case] == pytest.approx(chances.numpy(), abs=1e-5)
        history = [(f"i{made.items[r]}", SCALE[made.ratings[r]]) for r in range(cases.starts[case], row)]
        assert student.rate(history, f"T{made.items[row]}") == pytest.approx(
            dict(zip(SCALE, chances.tolist(), strict=True)), abs=1e-5
        )


def test_what_cannot_be_rated(tmp_path):
    """A rating off the scale, an unknown item, a model for another task, and ranking by a model that rates."""
    student = CompactStudentModel(model=model(), catalogue=CATALOGUE, window=4)
    with pytest.raises(ConfigurationError, match=r"3 is not on the scale 1, 2\.5, 5"):
        student.rate([("i1", 3.0)], "i2")
    for history in (None, ["i1"], [("i1", "5")], [("i1", None)], [("i1", True)]):
        with pytest.raises(ConfigurationError, match="a history is pairs of a title or id and a rating, a number, got"):
            student.rate(history, "i2")
    with pytest.raises(UnknownNameError, match="nothing"):
        student.rate([], "nothing")
    with pytest.raises(UnknownNameError, match="nothing"):
        student.rate([("nothing", 5.0), *[("i1", 5.0)] * 9], "i2")  # before the window
    with pytest.raises(ConfigurationError, match="rates items and does not rank them"):
        student.recommend(["i1"])
    other = CompactStudentModel(model=model(), catalogue=Catalogue(items=CATALOGUE.items), window=4)
    with pytest.raises(ConfigurationError, match="was not made to rate items"):
        other.rate([], "i2")


def test_ratings_of_any_type_of_number():
    """A table's ratings are NumPy's."""
    student = CompactStudentModel(model=model(), catalogue=CATALOGUE, window=4)
    expected = student.rate([("i1", 5.0), ("i2", 2.5)], "i3")

    assert student.rate([("i1", np.int64(5)), ("i2", np.float32(2.5))], "i3") == expected


def test_settings_and_data_that_do_not_fit():
    """Each says what is needed."""
    with pytest.raises(ConfigurationError, match="stride must be from 1 to the window of 4"):
        named_task("rating", {"window": 4, "stride": 5})
    with pytest.raises(ConfigurationError, match="needs sequences with ratings"):
        Rating().training_examples(sequences([3], ratings=False), CATALOGUE)
    with pytest.raises(ConfigurationError, match="needs a catalogue with ratings"):
        Rating().candidates(Catalogue(items=CATALOGUE.items))


def test_options_are_kept_beside_the_items(tmp_path):
    """Written, read, and named when damaged."""
    CATALOGUE.save(tmp_path)
    assert Catalogue.load(tmp_path) == CATALOGUE
    (tmp_path / "options.json").write_text('[{"value": 1}]', encoding="utf-8")
    with pytest.raises(DataError, match=r"options\.json must hold an opening \(tokens\) and a list of options"):
        Catalogue.load(tmp_path)
