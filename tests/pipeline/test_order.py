"""Runs over histories that have no times."""

import pytest

from shortstack.data.sequences import Sequences
from shortstack.errors import ConfigurationError
from shortstack.run import Run


@pytest.fixture
def untimed(ring, tables):
    """The ring's histories as lines of a user and an item; the settings of a run over them."""
    lines = [line.split(",") for line in ring.read_text(encoding="utf-8").splitlines()]
    user, item = (lines[0].index(name) for name in ("user", "item"))
    source = ring.parent / "pairs.txt"
    source.write_text("".join(f"{line[user]} {line[item].replace(' ', '_')}\n" for line in lines[1:]), encoding="utf-8")
    data = {"source": str(source), "adapter": "sequences", "core": 2, "order": "file", "split": "ratio"}
    return tables("", data=data | {"valid_share": 0.2, "test_share": 0.2})


def test_a_run_in_the_order_of_the_file(untimed, tmp_path):
    """The run succeeds, its splits have the shares, and its facts say that no item has a title."""
    result = Run.from_mapping(untimed).execute(tmp_path / "run")
    sequences = Sequences.load(tmp_path / "run" / "data" / "sequences.safetensors")

    assert (result.data["order"], result.data["first_time"]) == ("file", None)
    assert result.data["remarks"].endswith("items has a title; the source has none")
    assert 0.1 < (sequences.splits == 2).mean() <= 0.25


def test_global_time_is_refused_before_any_work(untimed, tmp_path):
    """global-time is refused with the reason, and so are shares of a split that has none."""
    for changes, problem in (
        ({"split": "global-time"}, "'global-time' compares the times of different users"),
        ({"split": "leave-last"}, "the split 'leave-last' has no shares; leave valid_share out"),
    ):
        changed = untimed | {"data": untimed["data"] | changes}
        with pytest.raises(ConfigurationError, match=problem):
            Run.from_mapping(changed).execute(tmp_path / "run")
    assert not (tmp_path / "run").exists()
