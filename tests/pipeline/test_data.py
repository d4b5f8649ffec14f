"""The data stage alone: what it makes of a file of ratings, against the same made by hand."""

import numpy as np
import pytest
from pipeline.prepared import alone, context
from safetensors.numpy import load_file

from shortstack.data.catalogue import Catalogue
from shortstack.errors import EmptyDataError, SourceNotFoundError
from shortstack.files import read_json
from shortstack.pipeline.data import DATA_STAGE
from shortstack.run_layout import DATA, FACTS, SEQUENCES

HISTORIES = {"ann": "cabd", "bob": "bca", "eve": "ab", "joe": "dac"}
"""Each user's items, oldest first."""
LONE = ("joe", "z", 9)
"""An interaction with an item that nobody else has, after all others."""


def settings(path, **changes):
    """Return the settings of data in the columns user, item and time."""
    columns = {"user": "user", "item": "item", "timestamp": "time", "timestamp_unit": "s"}
    return {"source": str(path), "adapter": "table", "core": 0, "settings": columns, **changes}


@pytest.fixture
def ratings(tmp_path):
    """The histories as rows, the newest first."""
    rows = [(user, item, time) for user, items in HISTORIES.items() for time, item in enumerate(items)]
    rows = sorted([*rows, LONE], key=lambda row: -row[2])
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,time\n" + "".join(f"{u},{i},{1_000_000 + t}\n" for u, i, t in rows), encoding="utf-8")
    return path


def written(root):
    """Return each user's item ids and splits, in any order of users."""
    arrays = load_file(root / DATA / SEQUENCES)
    ids = [item.id for item in Catalogue.load(root / DATA).items]
    spans = zip(arrays["offsets"][:-1], arrays["offsets"][1:], strict=True)
    return sorted(("".join(ids[n] for n in arrays["items"][a:b]), arrays["splits"][a:b].tolist()) for a, b in spans)


def test_it_writes_histories_in_time_order_with_the_last_item_as_test(ratings, tmp_path):
    """The rows are sorted by time; a user with two items is only trained on."""
    run = context(tmp_path / "run", data=settings(ratings))
    run.root.mkdir(exist_ok=True)

    assert alone(DATA_STAGE, run) == {SEQUENCES, FACTS, "items.jsonl"}
    assert written(run.root) == [("ab", [0, 0]), ("bca", [0, 1, 2]), ("cabd", [0, 0, 1, 2]), ("dacz", [0, 0, 1, 2])]
    assert (facts := read_json(run.root / DATA / FACTS))["interactions"] == 13
    assert (facts["users"], facts["items"]) == (4, 5)


def test_the_core_drops_items_and_then_users(ratings, tmp_path):
    """With two interactions each, the lone item goes; its user's last item is then the one before."""
    run = context(tmp_path / "run", data=settings(ratings, core=2))
    run.root.mkdir(exist_ok=True)
    alone(DATA_STAGE, run)

    assert written(run.root) == [("ab", [0, 0]), ("bca", [0, 1, 2]), ("cabd", [0, 0, 1, 2]), ("dac", [0, 1, 2])]


def test_tokens_are_the_numbers_of_the_items_after_padding(ratings, tmp_path):
    """Token 0 is padding, so the tokens are 1 to 5, each once."""
    run = context(tmp_path / "run", data=settings(ratings))
    run.root.mkdir(exist_ok=True)
    alone(DATA_STAGE, run)

    assert Catalogue.load(run.root / DATA).tokens == [1, 2, 3, 4, 5]
    assert np.unique(load_file(run.root / DATA / SEQUENCES)["items"]).tolist() == [0, 1, 2, 3, 4]


def test_it_reads_only_what_is_there(ratings, tmp_path):
    """A missing file is named."""
    ratings.unlink()
    run = context(tmp_path / "run", data=settings(ratings))
    run.root.mkdir(exist_ok=True)

    with pytest.raises(SourceNotFoundError, match=r"ratings\.csv"):
        DATA_STAGE.perform(run, "a key")
    assert not (run.root / DATA).exists()


def test_filters_that_leave_nothing_are_refused(ratings, tmp_path):
    """Nobody has twenty interactions; no half of a result is left in the place of one."""
    run = context(tmp_path / "run", data=settings(ratings, core=20))
    run.root.mkdir(exist_ok=True)

    with pytest.raises(EmptyDataError, match="core"):
        DATA_STAGE.perform(run, "a key")
    assert not (run.root / DATA).exists()


def test_it_is_done_until_the_file_changes(ratings, tmp_path):
    """The same rows in another place are the same data; with one row more they are not."""
    run = context(tmp_path / "run", data=settings(ratings))
    run.root.mkdir(exist_ok=True)
    DATA_STAGE.perform(run, "a key")
    elsewhere = tmp_path / "elsewhere" / ratings.name
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(ratings.read_bytes())

    assert DATA_STAGE.is_done(context(run.root, data=settings(elsewhere)), "a key")
    with elsewhere.open("a", encoding="utf-8") as file:
        file.write("eve,c,1000009\n")
    assert not DATA_STAGE.is_done(context(run.root, data=settings(elsewhere)), "a key")
