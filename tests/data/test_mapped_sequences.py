"""Histories that are mapped into memory: what is computed from them at once or in parts is the same."""

import re
from pathlib import Path

import attrs
import numpy as np
import pytest

from shortstack.data.catalogue import Catalogue, Item
from shortstack.data.sequences import Sequences
from shortstack.tasks.next_item import NextItem

ITEMS = 30
CATALOGUE = Catalogue(items=[Item(id=f"i{n}", title="", token=2 * n + 1) for n in range(ITEMS)])


@pytest.fixture
def sequences():
    """50 users with 0 to 24 of 30 items, the last two of most held out, and repeats among them."""
    generator = np.random.default_rng(5)
    lengths = generator.integers(0, 25, 50)
    splits = [code for length in lengths for code in ([0] * max(0, length - 2) + [1, 2])[:length]]
    return Sequences(
        items=generator.integers(0, ITEMS - 1, lengths.sum()),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        splits=np.array(splits, dtype=np.int8),
        catalogue_size=ITEMS,
    )


@pytest.fixture(params=[1, 7, 60, 10_000])
def _at_once(monkeypatch, request):
    """How many interactions are looked at together: fewer than a user's, some users', all."""
    monkeypatch.setattr("shortstack.data.sequences._AT_ONCE", request.param)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("split", ["valid", "test"])
def test_repeats_in_parts(sequences, split):
    """A target is in its history or not, in whatever order the cases come."""
    cases = sequences.cases(split)
    shuffled = cases.at(np.random.default_rng(0).permutation(len(cases)))

    for some in (cases, shuffled, cases.at(np.arange(0))):
        assert [some.targets[case] in some.history(case) for case in range(len(some))] == some.repeats.tolist()


@pytest.mark.usefixtures("_at_once")
def test_training_items_and_lengths(sequences):
    """Those of the histories that ``train`` returns; users without any have none."""
    histories = sequences.train()

    assert list(map(len, histories)) == sequences.training_lengths.tolist()
    assert np.unique(np.concatenate(histories)).tolist() == sequences.training_items.tolist()


def test_a_file_is_mapped(sequences, tmp_path):
    """Nothing is copied from the file, and what is written to the arrays does not reach it."""
    path = tmp_path / "sequences.safetensors"
    sequences.save(path)
    loaded = Sequences.load(path)

    assert str(path) in Path("/proc/self/maps").read_text()
    assert sequences.items.tolist() == loaded.items.tolist()
    loaded.items[:] = 0
    assert sequences.items.tolist() == Sequences.load(path).items.tolist()


def resident(path):
    """Return the bytes of a mapped file that are in this process's memory."""
    text = Path("/proc/self/smaps").read_text()
    sizes = re.findall(rf"^[0-9a-f]+-[0-9a-f]+ .*{re.escape(str(path))}\n(?:.*\n)*?Rss: +(\d+) kB$", text, re.MULTILINE)
    return 1024 * sum(map(int, sizes))


def test_what_is_looked_at_once_does_not_stay(tmp_path):
    """A rank chooses cases among 3 million interactions, and holds a small part of the file afterwards."""
    path, users = tmp_path / "sequences.safetensors", 30_000
    Sequences(
        items=np.random.default_rng(0).integers(0, 50, 100 * users),
        offsets=np.arange(users + 1) * 100,
        splits=np.tile(np.array([0] * 98 + [1, 2], np.int8), users),
        catalogue_size=50,
    ).save(path)
    loaded = Sequences.load(path)
    cases = loaded.cases("valid")

    assert len(loaded.training_items) == 50
    assert 0 < cases.repeats.sum() < len(cases)
    assert cases.at(np.arange(0, users, 2)).repeats.tolist() == cases.repeats[::2].tolist()
    items = loaded.items.nbytes
    assert resident(path) < items / 4
    assert loaded.items.sum() > 0
    assert resident(path) >= items, "the mapping that is kept is seen by this test"


def test_pieces_do_not_stay(tmp_path):
    """What a rank draws for training, and the histories that it evaluates, are read from the file: its mapping stays empty."""
    path, users = tmp_path / "sequences.safetensors", 30_000
    Sequences(
        items=np.random.default_rng(0).integers(0, ITEMS, 100 * users),
        offsets=np.arange(users + 1) * 100,
        splits=np.tile(np.array([0] * 98 + [1, 2], np.int8), users),
        catalogue_size=ITEMS,
    ).save(path)
    loaded = Sequences.load(path)
    examples, cases = NextItem(window=4).training_examples(loaded, CATALOGUE), loaded.cases("valid")
    drawn = range(0, len(examples), len(examples) // 500)
    tokens = [examples[place]["input_ids"] for place in drawn]
    histories = [cases.history(case) for case in range(0, users, 60)]

    assert resident(path) < 1 << 20, "24 MB are in the file, and a window of each megabyte was drawn"
    assert tokens == [[2 * item + 1 for item in loaded.items[examples.starts[at] : examples.stops[at]]] for at in drawn]
    assert all((history == loaded.items[100 * 60 * at :][:98]).all() for at, history in enumerate(histories))


@pytest.mark.parametrize("then", ["removed", "replaced", "replaced before pieces"])
def test_pieces_of_a_file_that_is_gone(sequences, tmp_path, then):
    """They are those of the mapped file."""
    path = tmp_path / "sequences.safetensors"
    sequences.save(path)
    loaded = Sequences.load(path)
    pieces = None if then == "replaced before pieces" else loaded.pieces()
    path.unlink()
    if then != "removed":
        attrs.evolve(sequences, items=np.zeros_like(sequences.items)).save(path)
    pieces = loaded.pieces() if pieces is None else pieces

    assert len(pieces) == len(sequences.items)
    assert pieces[3:9].tolist() == sequences.items[3:9].tolist()
    assert pieces[7:7].tolist() == []


@pytest.mark.parametrize("then", ["removed", "replaced"])
def test_a_file_that_is_gone(sequences, tmp_path, then):
    """What was mapped is used on, not what is in its place."""
    path = tmp_path / "sequences.safetensors"
    sequences.save(path)
    loaded = Sequences.load(path)
    path.unlink()
    if then == "replaced":
        attrs.evolve(sequences, items=np.zeros_like(sequences.items)).save(path)

    assert sequences.training_items.tolist() == loaded.training_items.tolist()
    assert sequences.cases("test").repeats.tolist() == loaded.cases("test").repeats.tolist()
    assert sequences.cases("test").targets.tolist() == loaded.cases("test").targets.tolist()


def test_arrays_in_the_place_of_mapped_ones(sequences, tmp_path):
    """Whoever replaces items or splits of loaded histories, or items of cases, has them used, and not the file."""
    path = tmp_path / "sequences.safetensors"
    sequences.save(path)
    loaded, others = Sequences.load(path), (sequences.items + 7) % ITEMS
    changed, expected = attrs.evolve(loaded, items=others), attrs.evolve(sequences, items=others)
    earlier = np.where(sequences.splits == 2, 1, sequences.splits).astype(np.int8)
    cases = attrs.evolve(loaded.cases("test"), items=others)

    assert changed.cases("test").targets.tolist() == expected.cases("test").targets.tolist()
    assert [changed.cases("test").history(at).tolist() for at in range(20)] == [
        expected.cases("test").history(at).tolist() for at in range(20)
    ]
    assert changed.training_items.tolist() == expected.training_items.tolist()
    assert len(attrs.evolve(loaded, splits=earlier).cases("valid")) == (earlier == 1).sum()
    assert cases.history(3).tolist() == others[cases.starts[3] : cases.stops[3]].tolist()
    assert cases.every_item is others


def test_pieces_are_those_of_the_array(sequences, tmp_path):
    """Any slice, steps and negative ends included, and all at once."""
    path = tmp_path / "sequences.safetensors"
    sequences.save(path)
    pieces = Sequences.load(path).pieces()
    for piece in (slice(3, 9), slice(None, None, 2), slice(9, 3, -1), slice(-5, None), slice(5, 2), slice(0, 10**6)):
        assert pieces[piece].tolist() == sequences.items[piece].tolist()

    assert pieces.unread().tolist() == sequences.items.tolist()
    assert not pieces.unread().flags.writeable


def test_examples_are_made_from_the_file(sequences, tmp_path):
    """Those of the mapped histories are those of the histories in memory."""
    path = tmp_path / "sequences.safetensors"
    sequences.save(path)
    here, there = (
        NextItem(window=4).training_examples(histories, CATALOGUE) for histories in (sequences, Sequences.load(path))
    )

    assert list(here) == list(there)
    assert len(there.tokens) == len(sequences.items)
    assert all(token % 2 == 1 for token in here[0]["input_ids"]), "the tokens of this catalogue are odd"
