"""The calibration stage alone: whose histories it takes, and how much of them."""

import pytest
from pipeline.prepared import TOKENS, WINDOW, alone, context, train_items
from safetensors.torch import load_file

from shortstack.errors import DataError
from shortstack.pipeline.calibration import CALIBRATION_STAGE, calibration_batches
from shortstack.run_layout import BATCHES, CALIBRATION

EXPECTED = [[TOKENS[item] for item in train_items(user)[-WINDOW - 1 :]] for user in range(7)]
"""The last training items of each user who has two of them, as tokens; the eighth user has one."""


def rows(named):
    """Return the real tokens of every example, batch after batch, and the sizes of the batches."""
    batches = range(len({name.partition(".")[0] for name in named}))
    kept = []
    for number in batches:
        inputs, mask, labels = (named[f"{number}.{part}"] for part in ("input_ids", "attention_mask", "labels"))
        for tokens, real, wanted in zip(inputs, mask, labels, strict=True):
            length = int(real.sum())
            assert real.tolist() == [1] * length + [0] * (len(real) - length)
            assert wanted.tolist() == [-100] * (length - 1) + [int(tokens[length - 1])] + [-100] * (len(real) - length)
            kept.append(tokens[:length].tolist())
    return kept, [len(named[f"{number}.labels"]) for number in batches]


def test_every_user_with_two_training_items_is_in_it(without):
    """The last training item is the one label; no validation or test item is among the tokens."""
    run = context(without(CALIBRATION))

    assert alone(CALIBRATION_STAGE, run) == {BATCHES}
    kept, sizes = rows(load_file(run.root / CALIBRATION / BATCHES))
    assert kept == EXPECTED
    assert sizes == [4, 3]


@pytest.mark.parametrize("seed", [0, 1])
def test_fewer_users_are_drawn_by_the_seed(without, seed):
    """Three different users, in their order; the same ones whenever the stage runs."""
    settings = {"scorers": ["fisher"], "examples": 3, "batch_size": 2}
    run = context(without(CALIBRATION), importance=settings, selection={"scorer": "fisher"}, seed=seed)
    alone(CALIBRATION_STAGE, run)
    kept, sizes = rows(load_file(run.root / CALIBRATION / BATCHES))
    places = [EXPECTED.index(row) for row in kept]

    assert sizes == [2, 1]
    assert places == sorted(set(places))
    CALIBRATION_STAGE.perform(run, "another key")
    assert rows(load_file(run.root / CALIBRATION / BATCHES))[0] == kept


def test_another_seed_draws_other_users(without):
    """Among ten seeds there are several draws of three of seven."""
    settings = {"scorers": ["fisher"], "examples": 3, "batch_size": 4}
    root, draws = without(CALIBRATION), set()
    for seed in range(10):
        run = context(root, importance=settings, selection={"scorer": "fisher"}, seed=seed)
        CALIBRATION_STAGE.perform(run, f"key {seed}")
        kept, _ = rows(load_file(root / CALIBRATION / BATCHES))
        draws.add(tuple(EXPECTED.index(row) for row in kept))

    assert len(draws) > 3


def test_batches_are_read_back_in_order(prepared):
    """Each with its own users, in the order of the batches' numbers."""
    first, second = calibration_batches(context(prepared))

    assert [len(first["labels"]), len(second["labels"])] == [4, 3]
    assert first["input_ids"][1].tolist()[: len(EXPECTED[1])] == EXPECTED[1]


def test_a_damaged_file_is_named(without):
    """The message says what to remove."""
    root = without()
    (root / CALIBRATION / BATCHES).write_bytes(b"\x00" * 20)

    with pytest.raises(DataError, match=r"batches\.safetensors is damaged .*; remove its folder"):
        calibration_batches(context(root))
