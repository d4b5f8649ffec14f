"""The runner alone, with stages of its own: their order, what is kept, and what is left as it was."""

import random

import attrs
import numpy as np
import pytest
import torch
from pipeline.prepared import context

from shortstack.files import read_json
from shortstack.pipeline.runner import stages_of
from shortstack.pipeline.settling import random_states_kept, settle_all
from shortstack.pipeline.stage import Stage
from shortstack.run_layout import RECORD, RUN


@attrs.frozen
class Calls:
    """Stages that count how often they were carried out, and a file that the first of them reads."""

    made: list[str]
    settings: dict[str, object]
    outside: list[str]

    def stage(self, name, *after, reads=False):
        """Return a stage that writes its name and a draw of the global random state."""

        def execute(_context, folder):
            self.made.append(name)
            (folder / "draw").write_text(f"{random.random()} {np.random.rand()} {torch.rand(()).item()}")  # noqa: NPY002
            return self.outside[0] if reads else None

        return Stage(
            name=name,
            folder=name,
            after=after,
            depends_on=lambda _run, _registry: self.settings.get(name),
            execute=execute,
            reads=(lambda _context: self.outside[0]) if reads else None,
        )


@pytest.fixture
def calls():
    """No calls so far."""
    return Calls([], {}, ["as it was"])


@pytest.fixture
def chain(calls):
    """Three stages: the second and the third read the first alone."""
    return (calls.stage("one", reads=True), calls.stage("two", "one"), calls.stage("three", "one"))


def test_stages_run_in_order_and_once(calls, chain, tmp_path):
    """A second time nothing runs, and the keys that later stages depend on are the same and each another."""
    keys = settle_all(context(tmp_path), chain)
    again = settle_all(context(tmp_path), chain)

    assert calls.made == ["one", "two", "three"]
    assert again == keys
    key = read_json(tmp_path / "two" / RECORD)["key"]
    assert keys["two"] == chain[1].result_key(context(tmp_path), key)
    assert len(set(keys.values())) == 3


@pytest.mark.parametrize(
    ("changed", "again"), [("one", ["one", "two", "three"]), ("two", ["two"]), ("three", ["three"])]
)
def test_a_setting_runs_its_stage_and_those_after_it(calls, chain, tmp_path, changed, again):
    """A stage that does not read the changed one is kept."""
    settle_all(context(tmp_path), chain)
    calls.settings[changed] = "another"
    calls.made.clear()
    settle_all(context(tmp_path), chain)

    assert calls.made == again


def test_another_source_runs_all_that_depends_on_it(calls, chain, tmp_path):
    """And the source of before brings nothing back: there is one result in a folder."""
    settle_all(context(tmp_path), chain)
    calls.outside[0] = "changed"
    calls.made.clear()
    settle_all(context(tmp_path), chain)

    assert calls.made == ["one", "two", "three"]


def test_a_stage_draws_the_same_whatever_ran_before_it(calls, chain, tmp_path):
    """Alone or after others, from the run's seed; another seed is another draw."""
    settle_all(context(tmp_path / "all"), chain)
    settle_all(context(tmp_path / "last"), (chain[0],))
    random.random(), torch.rand(3)
    settle_all(context(tmp_path / "last"), chain)
    settle_all(context(tmp_path / "other", seed=6), chain)
    draws = [(tmp_path / run / "three" / "draw").read_text() for run in ("all", "last", "other")]

    assert draws[0] == draws[1] != draws[2]


def test_an_interrupted_stage_leaves_the_result_of_before(calls, chain, tmp_path):
    """The old folder stays until the new one is whole; then nothing of the interruption is left."""
    settle_all(context(tmp_path), chain)
    before = (tmp_path / "two" / "draw").read_text()
    calls.settings["two"] = "another"

    def interrupted(_context, folder):
        (folder / "draw").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        settle_all(context(tmp_path), (chain[0], attrs.evolve(chain[1], execute=interrupted)))
    assert (tmp_path / "two" / "draw").read_text() == before
    settle_all(context(tmp_path), chain)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", RUN, "three", "two"]


def test_the_callers_random_states_are_restored():
    """Of all three libraries, after an error too."""
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002 -- the global state is what is kept
    expected = random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002

    def fail():
        random.seed(9), np.random.seed(9), torch.manual_seed(9)  # noqa: NPY002
        raise KeyError

    with pytest.raises(KeyError), random_states_kept():
        fail()
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected  # noqa: NPY002


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"evaluation": {"scratch": False}},
        {"selection": {"scorer": "fisher", "keep_layers": 1, "schedule": [3, 2]}},
    ],
    ids=["one step", "no scratch", "three steps"],
)
def test_a_stage_reads_only_stages_before_it(changes):
    """And each has a name and a folder of its own."""
    stages = stages_of(context(None, **changes).run)
    names = [stage.name for stage in stages]

    assert all(set(stage.after) <= set(names[:number]) for number, stage in enumerate(stages))
    assert len(set(names)) == len(names) == len({stage.folder for stage in stages})
