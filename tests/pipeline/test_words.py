"""Runs whose teacher is a pretrained language model that predicts ratings from text prompts."""

import json
import random

import numpy as np
import pytest
import torch
from pipeline.little_language_model import WORDS, llama, teacher, tokenizer
from tokenizers import Tokenizer, models
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from shortstack import CompactStudentModel, Run
from shortstack.data.catalogue import Catalogue
from shortstack.data.rated_histories import RatedHistories
from shortstack.data.sequences import Sequences
from shortstack.errors import ConfigurationError
from shortstack.models.candidates import supervision
from shortstack.models.verbalizer import spell
from shortstack.tasks import collate, named_task

PROMPT = {"opening": "Item 0 0", "line": " {item} {rating}", "longest": 3}


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """Ratings in which all users give even items five and odd ones one; some items have no title."""
    generator = random.Random(0)
    lines = ["user,item,rating,time,title"]
    for user in range(60):
        for step in range(10):
            item = generator.randrange(12)
            title = f"Item {item}" if item < 10 else ""
            lines.append(f"u{user},i{item},{1 if item % 2 else 5},{1_000_000 + 100 * step + 20 * user},{title}")
    path = tmp_path_factory.mktemp("data") / "rated.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def words_of(folder, **fit):
    """Return the table of a teacher that is trained for a few steps to rate in words."""
    settings = teacher(
        folder, **{"item_rows_rate": 1.0, "steps": 60, "evaluate_every": 20, "learning_rate": 0.01, **fit}
    )
    return {**settings, "prompt": PROMPT}


def rating(tables, source, folder, window=4, **changes):
    """Return the tables of a run of the task."""
    task = {"name": "rating", "settings": {"window": window}}
    settings = tables(source, teacher=words_of(folder), task=task, **changes)
    return {**settings, "data": {**settings["data"], "split": "global-time"}}


@pytest.fixture(scope="module")
def finished(folder, rated, tables, tmp_path_factory):
    """A whole run."""
    root = tmp_path_factory.mktemp("runs") / "words"
    return root, Run.from_mapping(rating(tables, rated, folder)).execute(root)


def test_it_learns_what_titles_say(finished):
    """The teacher beats every baseline in every metric, also in ranking items that a user rated differently."""
    _, result = finished
    teacher_found = result.metrics["teacher"]
    for baseline in ("mode", "global-mean", "user-mean"):
        for metric in ("accuracy", "accuracy±0.5", "ndcg@5", "ndcg@10", "mrr"):
            assert teacher_found[metric] > result.metrics[baseline][metric]
        assert teacher_found["rmse"] < result.metrics[baseline]["rmse"]
    assert result.data["items_without_title"] == 2


def test_teacher_and_student_are_stock_models_with_their_words(finished):
    """Nothing was added to the vocabulary; the student rates by title."""
    root, _ = finished
    for name in ("teacher", "student"):
        model, words = AutoModelForCausalLM.from_pretrained(root / name), AutoTokenizer.from_pretrained(root / name)
        assert len(words) == len(WORDS)
        assert model.config.vocab_size == len(WORDS) + 4
    student = CompactStudentModel.from_pretrained(root / "student")
    assert list(student.rate([("Item 2", 5.0)], "Item 3")) == [1.0, 5.0]
    options = json.loads((root / "student" / "options.json").read_text("utf-8"))
    assert options == {"opening": [1, 2, 2], "options": [{"value": 1, "token": 3}, {"value": 5, "token": 7}]}


def test_what_it_is_asked_is_the_plain_text(finished, folder):
    """A prompt's tokens are those of its text; the student's prediction is the stock model's at the last position."""
    root, _ = finished
    words, model = tokenizer(), AutoModelForCausalLM.from_pretrained(root / "student").eval()
    ids = words("Item 0 0 Item 4 5 Item 3 1 Item 7", return_tensors="pt").input_ids
    with torch.no_grad():
        chances = model(ids).logits[0, -1, [3, 7]].softmax(-1).tolist()
    distribution = CompactStudentModel.from_pretrained(root / "student").rate(
        [("Item 4", 5.0), ("Item 3", 1.0)], "Item 7"
    )
    assert list(distribution.values()) == pytest.approx(chances, abs=1e-5)


def test_calibration_is_told(finished):
    """Calibration is in the result, for models alone, and drawn in the report."""
    root, result = finished
    assert set(result.calibration) == {"teacher", "pruned", "student", "scratch"}
    for curve in result.calibration.values():
        assert sum(bin_["cases"] for bin_ in curve["bins"]) > 0
        assert 0 <= curve["error"] <= 1
    assert "how sure it was of its likeliest rating" in (root / "report.html").read_text("utf-8")


def test_its_student_can_be_the_next_teacher(finished, rated, tables, folder, tmp_path):
    """A student can be the next teacher, with its words, its opening and its tokenizer."""
    root, first = finished
    tables_of = rating(tables, rated, folder)
    run = Run.from_mapping({**tables_of, "teacher": {"path": str(root / "teacher")}})
    again = run.execute(tmp_path / "run")
    assert again.metrics["teacher"]["accuracy"] == first.metrics["teacher"]["accuracy"]
    assert (tmp_path / "run" / "student" / "tokenizer.json").is_file()
    settings = {"path": str(root / "teacher"), "prompt": {"opening": "Item"}}
    with pytest.raises(ConfigurationError, match=r"teacher\.prompt is of a pretrained language model"):
        Run.from_mapping({**tables_of, "teacher": settings}).execute(tmp_path / "other")
    ranks = {**tables_of, "teacher": {"path": str(root / "teacher")}, "task": {"name": "next-item"}}
    with pytest.raises(ConfigurationError, match="was made to rate items, and this task is to rank them"):
        Run.from_mapping(ranks).execute(tmp_path / "other")
    wide = {**tables_of, "teacher": {"path": str(root / "teacher")}}
    wide["task"] = {"name": "rating", "settings": {"window": 900}}
    with pytest.raises(
        ConfigurationError, match=r"a window of 900 items may be 3,603 tokens, but the model reads 2,048"
    ):
        Run.from_mapping(wide).execute(tmp_path / "third")


def spelt(catalogue_titles, **changes):
    """Return the pieces for two ratings, in the little model's words."""
    form = {"opening": "Item", "line": " {item} {rating}", **changes}
    return spell(tokenizer(), catalogue_titles, [1.0, 5.0], **form)


def test_pieces():
    """Long titles are cut, untitled items get a name, and openings give the ends of the scale."""
    pieces = spelt(["Item 3", "", "7 8 9 10 11"], longest=2, opening="Item {lowest} {highest}")
    assert pieces.opening == (1, 3, 7)
    assert pieces.items == ((1, 5), (0, 0), (9, 10))
    assert pieces.options == (3, 7)
    assert spelt(["7\n8   9"]).items == ((9, 10, 11),)


@pytest.mark.parametrize(
    ("single", "opening"), [("<s> $A", (32, 1)), ("$A </s>", (1,)), ("<s> $A </s>", (32, 1)), ("$A", (1,))]
)
def test_what_a_tokenizer_puts_before_a_text(single, opening):
    """Tokens that the tokenizer prepends come before the opening; those it appends are dropped."""
    words = tokenizer([*WORDS, "<s>", "</s>"])
    words.backend_tokenizer.post_processor = TemplateProcessing(
        single=single, special_tokens=[("<s>", 32), ("</s>", 33)]
    )
    assert spell(words, ["7"], [1.0, 5.0], opening="Item", line=" {item} {rating}").opening == opening


def test_ratings_that_are_no_single_word():
    """Letters by default, which the opening explains; named words otherwise; else one line that says what to do."""
    with pytest.raises(ConfigurationError, match=r"teacher\.prompt\.words names 3 ratings, but there are 2: 1, 5"):
        spelt(["7"], words=["1", "2", "3"])
    with pytest.raises(ConfigurationError, match=r"the word 'good' is more than one token of its own"):
        spelt(["7"], words=["1", "good"])
    with pytest.raises(ConfigurationError, match=r"^the word '7 8' is more than one token of its own"):
        spelt(["7"], words=["7 8", "8"])
    with pytest.raises(ConfigurationError, match=r"the word '1' is more than one token of its own"):
        spelt(["7"], words=["1", "1"])
    with pytest.raises(ConfigurationError, match=r"the word '' is more than one token of its own"):
        spelt(["7"], words=["1", ""])
    with pytest.raises(ConfigurationError, match="a language model chooses among 26 ratings at most, got 27"):
        spell(tokenizer(), ["7"], list(range(27)), opening="Item", line=" {item} {rating}")
    with pytest.raises(
        ConfigurationError, match=r"^neither the ratings \(0\.5, 1\.5\) nor letters .*: the word 'A' is"
    ):
        spell(tokenizer(), ["7"], [0.5, 1.5], opening="Item", line=" {item} {rating}")  # it knows no letters either
    assert spelt(["7"], words=["20", "21"]).options == (22, 23)
    letters = [*WORDS, "A", "B", "an", "is"]
    pieces = spell(tokenizer(letters), ["7"], [0.5, 1.5], opening="Item", line=" {item} {rating}")
    assert pieces.options == (32, 33)
    assert pieces.opening == (1, 32, 35, 0, 33, 35, 0)


def test_a_rating_that_runs_into_a_title():
    """Without a separator a rating and the end of a title may be one token: this is an error, not truncated."""
    letters = models.BPE({"x": 0, "1": 1, "5": 2, "3": 3, "31": 4}, merges=[("3", "1")])
    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(letters))
    with pytest.raises(ConfigurationError, match=r"by which the rating '1' is no token of its own after 'x3'"):
        spell(words, ["x", "x3"], [1.0, 5.0], opening="x", line="{item}{rating}")
    assert spell(words, ["x"], [1.0, 5.0], opening="x", line="{item}{rating}").items == ((0,),)


@pytest.mark.parametrize("line", ["{item}", "{rating} {item}", "{item}: {rating}."])
def test_lines_that_say_no_rating_at_their_end(line, rated, tables, folder, tmp_path):
    """The error names the line and what is allowed."""
    settings = rating(tables, rated, folder)
    settings["teacher"]["prompt"] = {"line": line}
    with pytest.raises(ConfigurationError, match=r"line is a text with \{item\} in it that ends with \{rating\}"):
        Run.from_mapping(settings)


def test_a_window_that_is_too_long(rated, tables, tmp_path):
    """The error gives the length in tokens, before anything is trained."""
    place = tmp_path / "short"
    llama(max_position_embeddings=16).save_pretrained(place)
    tokenizer().save_pretrained(place)
    with pytest.raises(
        ConfigurationError,
        match=r"a window of 4 items may be 19 tokens, but the model reads 16; make task\.settings\.window",
    ):
        Run.from_mapping(rating(tables, rated, place)).execute(tmp_path / "run")


def test_only_ratings_are_labels():
    """Ratings are the only labels: titles of any length and the opening have none."""
    pieces = spelt(["Item 3", "7", "Item 9"])
    items = [{"id": str(n), "title": "", "token": words[0], "words": words} for n, words in enumerate(pieces.items)]
    from shortstack.data.catalogue import Item, Option

    catalogue = Catalogue(
        items=[Item(**item) for item in items],
        options=[Option(value=v, token=t) for v, t in zip((1.0, 5.0), pieces.options, strict=True)],
        opening=pieces.opening,
    )
    sequences = Sequences(
        items=np.array([0, 1, 2, 1, 0]),
        offsets=np.array([0, 3, 5]),
        splits=np.array([0, 0, 1, 0, 2], dtype=np.int8),
        catalogue_size=3,
        ratings=np.array([0, 1, 0, 1, 1]),
    )
    examples = named_task("rating", {"window": 2}).training_examples(sequences, catalogue)
    assert [example["input_ids"] for example in examples] == [[1, 1, 5, 3, 9, 7], [1, 9, 7]]
    assert examples.lengths.tolist() == [6, 3]
    _, targets = supervision(collate(examples)["labels"])
    assert targets.tolist() == [3, 7, 7]
    histories = RatedHistories.of(sequences, catalogue)
    assert histories.question(1, 2, 2) == [1, 9, 7, 1, 11]
    assert histories.question_lengths(*(np.array([n]) for n in (1, 2, 2))).tolist() == [5]
