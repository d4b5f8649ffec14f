"""Examples of the task next-item: labels, windows and padding."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shortstack.data.catalogue import Catalogue, Item
from shortstack.data.sequences import Sequences
from shortstack.errors import EmptyDataError
from shortstack.models.candidates import supervision
from shortstack.tasks import Task, collate
from shortstack.tasks.next_item import NextItem

ITEMS = 400
CATALOGUE = Catalogue(items=[Item(id=f"i{i}", title="", token=i + 1) for i in range(ITEMS)])
LENGTHS = st.lists(st.tuples(st.integers(0, 23), st.integers(0, 2)), min_size=1, max_size=6)


def sequences(lengths):
    """Return users with given numbers of training and other items; an item's number is its interaction's position."""
    splits = [code for train, held in lengths for code in [0] * train + [1, 2][:held]]
    sizes = [train + held for train, held in lengths]
    return Sequences(
        items=np.arange(len(splits)) % ITEMS,
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        splits=np.array(splits, dtype=np.int8),
        catalogue_size=ITEMS,
    )


def predictions(examples):
    """Yield (history, target) of every supervised position, as transformers reads them."""
    for example in examples:
        batch = collate([example])
        positions, targets = supervision(batch["labels"])
        for place, target in zip(positions[0].nonzero()[:, 0].tolist(), targets.tolist(), strict=True):
            yield example["input_ids"][: place + 1], target


@given(LENGTHS, st.integers(1, 6), st.data())
def test_windows_cover_every_training_item(lengths, window, data):
    """Every item after a user's first is predicted from the items right before it, never from another user's."""
    stride = data.draw(st.none() | st.integers(1, window))
    made = sequences(lengths)
    tokens = [[item + 1 for item in history] for history in made.train()]
    pairs = {(history[i - 1], history[i]) for history in tokens for i in range(1, len(history))}
    try:
        examples = NextItem(window=window, stride=stride).training_examples(made, CATALOGUE)
    except EmptyDataError:
        assert not pairs
        return

    assert {(history[-1], target) for history, target in predictions(examples)} == pairs
    assert max(examples.lengths) <= window + 1
    # The most recent window of each user is there whole.
    ends = {tuple(example["input_ids"]) for example in examples}
    assert {tuple(history[-(window + 1) :]) for history in tokens if len(history) >= 2} <= ends


@given(LENGTHS, st.integers(1, 6), st.sampled_from([0.0, 0.25, 0.5, 0.75]))
def test_balance_keeps_every_user_and_their_most_recent_window(lengths, window, balance):
    """Balancing leaves no user out, invents no window, and keeps about as many examples."""
    made = sequences([(9, 2), *lengths])
    plain = NextItem(window=window, stride=1).training_examples(made, CATALOGUE)
    balanced = NextItem(window=window, stride=1, user_balance=balance).training_examples(made, CATALOGUE)
    spans = set(zip(plain.starts.tolist(), plain.stops.tolist(), strict=True))
    owners = np.searchsorted(made.offsets, plain.starts, side="right")
    last = dict(zip(owners.tolist(), plain.stops.tolist(), strict=True))

    assert set(zip(balanced.starts.tolist(), balanced.stops.tolist(), strict=True)) <= spans
    assert set(last.values()) <= set(balanced.stops.tolist())
    assert abs(len(plain) - len(balanced)) <= len(last)


def test_balance_zero_gives_every_user_the_same_share():
    """With balance 0, a user with ten times the history has as many examples."""
    made = sequences([(40, 2), (4, 2)])
    examples = NextItem(window=3, stride=1, user_balance=0.0).training_examples(made, CATALOGUE)
    owners = np.searchsorted(made.offsets, examples.starts, side="right")

    assert np.bincount(owners)[1] == np.bincount(owners)[2]


@given(LENGTHS, st.integers(1, 6))
def test_labels_are_the_inputs_and_never_the_first(lengths, window):
    """Targets are inputs shifted by one; the first token has no history to be predicted from."""
    made = sequences([(5, 2), *lengths])
    for example in NextItem(window=window).training_examples(made, CATALOGUE):
        assert example["labels"] == [-100, *example["input_ids"][1:]]


@given(LENGTHS, st.integers(1, 6), st.integers(1, 4), st.integers(0, 3))
def test_calibration_sees_training_items_only(lengths, window, count, seed):
    """One label each: a user's last training item, after the most recent window of the others."""
    made = sequences([(2, 2), *lengths])
    examples = NextItem(window=window).calibration_examples(made, CATALOGUE, count=count, seed=seed)
    histories = [[item + 1 for item in history] for history in made.train() if len(history) >= 2]

    assert len(examples) == min(count, len(histories))
    expected = {(tuple(history[-(window + 1) : -1]), history[-1]) for history in histories}
    actual = [(tuple(history), target) for history, target in predictions(examples)]
    assert set(actual) <= expected
    assert len(actual) == len(set(actual)) == len(examples)


def test_calibration_follows_its_seed():
    """The same seed draws the same users, another seed others."""
    made = sequences([(4, 0)] * 60)
    drawn = [
        [e["input_ids"] for e in NextItem().calibration_examples(made, CATALOGUE, count=9, seed=seed)]
        for seed in (0, 0, 1)
    ]

    assert drawn[0] == drawn[1] != drawn[2]


@given(LENGTHS, st.integers(1, 6))
def test_evaluation_follows_the_cases(lengths, window):
    """One example a case, in order; the most recent window comes before the target."""
    made, task = sequences([(3, 2), *lengths]), NextItem(window=window)
    cases = made.cases("test")
    examples = task.evaluation_examples(made, CATALOGUE, split="test")

    assert len(examples) == len(cases)
    for case, example in enumerate(examples):
        assert example["input_ids"][:-1] == [item + 1 for item in cases.history(case).tolist()[-task.window :]]
        assert example["input_ids"][-1] == cases.targets[case] + 1
        labelled = [label for label in example["labels"] if label != -100]
        assert labelled == ([example["input_ids"][-1]] if len(cases.history(case)) else [])


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(0, 9))
def test_collating_pads_on_the_right_and_loses_nothing(lengths, pad):
    """Padding is reversible: unpad(pad(x)) = x."""
    rows = [{"input_ids": list(range(1, n + 1)), "labels": [-100] * (n - 1) + [n]} for n in lengths]
    batch = collate(rows, pad_token_id=pad)

    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
    for index, row in enumerate(rows):
        real = batch["attention_mask"][index].bool()
        assert real.tolist() == sorted(real.tolist(), reverse=True)
        assert batch["input_ids"][index][real].tolist() == row["input_ids"]
        assert batch["labels"][index][real].tolist() == row["labels"]
        assert set(batch["input_ids"][index][~real].tolist()) <= {pad}
        assert set(batch["labels"][index][~real].tolist()) <= {-100}


def test_examples_are_a_sequence_and_a_dataset():
    """Slices are examples again; ``datasets`` holds the same rows."""
    examples = NextItem(window=4).training_examples(sequences([(11, 2), (3, 0)]), CATALOGUE)
    listed = list(examples)

    assert [examples[i] for i in range(len(examples))] == listed
    assert list(examples[1:3]) == listed[1:3]
    assert examples[-1] == listed[-1]
    assert examples.to_dataset().to_list() == listed
    with pytest.raises(IndexError):
        examples[len(examples)]


def test_candidates_are_the_tokens():
    """Every item, in dense order."""
    assert NextItem().candidates(CATALOGUE).tolist() == list(range(1, ITEMS + 1))


def test_next_item_is_a_task():
    """It satisfies the public protocol."""
    assert isinstance(NextItem(), Task)


def test_stride_must_cover():
    """A stride beyond the window would leave items out."""
    with pytest.raises(ValueError, match="stride must be from 1 to the window of 5, got 6"):
        NextItem(window=5, stride=6)


@pytest.mark.parametrize("examples", [NextItem.training_examples, NextItem.calibration_examples])
def test_nothing_to_learn_from_is_said(examples):
    """One training item per user leaves nothing to predict, which is an error."""
    with pytest.raises(EmptyDataError) as caught:
        examples(NextItem(), sequences([(1, 0), (0, 2)]), CATALOGUE)

    assert str(caught.value) == ("no user has two training interactions, so there is nothing to predict; use more data")


def test_tasks_need_neither_polars_nor_datasets(tmp_path):
    """Tasks import neither polars nor datasets."""
    code = "import sys; sys.modules.update(polars=None, datasets=None); import shortstack.tasks.next_item, shortstack.data.sequences"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
    )

    assert result.returncode == 0, result.stderr
