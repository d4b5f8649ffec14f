"""A campaign finds what is wrong on purpose, and makes it small; every command here is tried in a forked process."""

import importlib
import itertools
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from campaign import hunting, process
from campaign.campaign import Campaign, line, snippet
from campaign.case import Case, Limit
from campaign.hunting import Attack, Hunt
from campaign.process import Bounds, forked
from campaign.trials import Trials, limiting
from documents import ROOT
from hypothesis import strategies as st

SHOW = importlib.import_module("shortstack.cli.show")  # the package's attribute of that name is the function
pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded"
)  # the forks start no thread of torch


@pytest.fixture
def trials(tmp_path):
    """Trials over a base with one file."""
    (tmp_path / "bases" / "nothing").mkdir(parents=True)
    (tmp_path / "bases" / "nothing" / "mine.txt").write_text("mine", encoding="utf-8")
    return Trials(bases=tmp_path / "bases", place=tmp_path / "trial", bounds=Bounds(cpu_seconds=20, seconds=20))


@pytest.fixture
def showing(monkeypatch):
    """Function that puts another in the place of ``shortstack show``'s own."""

    def put(deed):
        monkeypatch.setattr(SHOW, "built_in", lambda kind, name: deed(name))

    return put


def show(name, **more):
    """Return the case of a command whose function is replaced."""
    return Case(command=("show", "metric", "--", name), **more)


def hunted(trials, cases):
    """Return what a hunt finds."""
    hunt = Hunt(trials=trials, ends=time.monotonic() + 120, patience=120)
    hunt._chunk(cases, 7, shrinks=True)
    return list(hunt.found.values())


def test_a_wrong_command_is_found_and_made_small(trials, showing):
    """A command that fails for names with two digits: the finding has two, both 0, and nothing else."""

    def wrong(name):
        if sum(c.isdecimal() for c in name) >= 2:
            raise KeyError(name)
        sys.exit(0)

    showing(wrong)
    (found,) = hunted(trials, st.text("a01", max_size=4).map(show))

    assert found.problem.kind == "KeyError in cli/show.py:show"
    assert found.case == show("00")
    assert re.search(r"KeyError: '00'", snippet(found))


def test_a_right_command_is_not_accused(trials, monkeypatch):
    """Names that no metric has are refused in one line."""
    monkeypatch.setattr(hunting, "CHUNK", 10)
    assert hunted(trials, st.text("ab", min_size=1, max_size=3).map(show)) == []
    assert trials.refused == trials.count > 0


def test_a_snippet_says_what_is_tried(trials, showing, monkeypatch):
    """It holds the input's bytes, and Python reads it."""
    showing(lambda _: {}["x"])
    case = show("x", files={"a": b"\x00\xff", "b": None})
    (found,) = hunted(trials, st.just(case))
    tried = []
    monkeypatch.setattr("campaign.replay.replay", tried.append)
    exec(snippet(found), {})  # noqa: S102 -- our own snippet

    assert tried == [case]


def test_a_case_is_drawn_from_the_seed_alone(trials, monkeypatch):
    """The same seed draws the same cases, another seed others, by a clock that counts its readings."""
    monkeypatch.setattr(hunting, "CHUNK", 20)
    drawn = {}
    for run, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        tried = drawn.setdefault(run, [])
        monkeypatch.setattr(Trials, "problem", lambda _self, case, tried=tried: tried.append(case))
        monkeypatch.setattr(hunting, "monotonic", itertools.count().__next__)
        hunt = Hunt(trials=trials, ends=100)
        hunt.run(Attack(name="x", cases=lambda _: st.text().map(show)), seed)

    assert len(drawn["a"]) > 20
    assert drawn["a"] == drawn["b"] != drawn["c"]


def test_another_result_is_found(trials, showing):
    """A command that succeeds on a changed file with another result than on the file as it was."""
    showing(lambda _: (sys.stdout.write(Path("mine.txt").read_text(encoding="utf-8")), sys.exit(0)))

    assert trials.problem(show("x", compared=True)) is None
    problem = trials.problem(show("x", files={"mine.txt": b"theirs"}, compared=True))
    assert problem.kind == "show gives another result with another mine.txt"


def test_what_is_lost_is_found(trials, showing):
    """A command that removes a file which is not its own; one of its own it may."""
    showing(lambda _: (Path("mine.txt").unlink(), sys.exit(0)))

    assert trials.problem(show("x")).kind == "show changes files that are not its own"
    assert trials.problem(show("x", writes=("mine.txt",))) is None


@pytest.mark.parametrize("limit", [{"killed_at": 0.5}, {"file_bytes": 100}])
@pytest.mark.parametrize("goes_on", [True, False])
def test_what_does_not_go_on_is_found(trials, showing, limit, goes_on):
    """A command that writes to a file under its own name, and does not start again where it is: killed, or the disk full."""

    def work(_):
        part = Path("part")
        if part.exists() and not goes_on:
            sys.exit("part is there")
        try:
            with part.open("wb") as file:
                file.write(b"x" * 50)
                end = time.process_time() + 0.5
                while time.process_time() < end:
                    pass
                file.write(b"x" * 100)
        except OSError as error:
            sys.stderr.write(f"error: {error}\n")
            sys.exit(2)
        part.unlink()
        sys.exit(0)

    showing(work)
    problem = trials.problem(show("x", limit=Limit(**limit)))

    assert problem is None if goes_on else problem.kind == "show does not go on afterwards"


def test_a_full_disk_of_its_own(trials, showing):
    """What a command writes is all that fills it; afterwards there is room."""

    def work(_):
        try:
            Path("part").write_bytes(b"x" * 1_000_000)
        except OSError as error:
            sys.stderr.write(f"error: {error}\n")
            sys.exit(2)
        sys.exit(0)

    showing(work)
    try:
        problem = trials.problem(show("x", limit=Limit(disk_bytes=100_000)))
    except PermissionError as error:
        pytest.skip(str(error))
    assert problem is None
    assert trials.refused == 1


def ends(work, tmp_path, **bounds):
    """Return how a process ends."""
    return forked(work, tmp_path / "resident", Bounds(**bounds))


def test_bounds_of_a_process(tmp_path):
    """One that waits, one that works, and one that takes memory are ended, and the finding says where they were."""

    def busy():
        while True:
            pass

    waits = ends(lambda: time.sleep(60), tmp_path, seconds=1)
    works = ends(busy, tmp_path, cpu_seconds=1)
    takes = ends(lambda: bytearray(process.GIGABYTE), tmp_path, address_bytes=process.GIGABYTE // 2)

    assert waits.waited
    assert works.signal == 24  # SIGXCPU
    assert "in busy" in works.stderr
    assert takes.code == 1
    assert "MemoryError" in takes.stderr


def test_all_that_is_printed_is_read(tmp_path):
    """More than a pipe holds, from a process that may write no file; and the end of one that cannot print at all."""
    no_file = limiting(Limit(file_bytes=0), None)
    much = forked(lambda: sys.stdout.write("x" * 500_000), tmp_path / "resident", Bounds(), prepare=no_file)
    none = ends(lambda: os.close(1) or sys.stdout.write("x"), tmp_path)

    assert (much.stdout, much.code) == ("x" * 500_000, 0)
    assert none.code == process.FAILED


def test_memory_is_measured(tmp_path):
    """To a tenth."""
    taken = ends(lambda: b"x" * (200 << 20), tmp_path).resident_bytes
    assert taken == pytest.approx(200 << 20, rel=0.1)


def test_an_attack_that_is_not_permitted_is_said(trials, tmp_path, monkeypatch):
    """Where no file system can be mounted, the table says so, and nothing counts as found."""

    def refuse(_folder):
        raise OSError(1, "unshare is not permitted")

    monkeypatch.setattr("campaign.trials.own_file_system", refuse)
    attack = Attack(
        name="full disks", cases=lambda _: st.just(show("ndcg@k", limit=Limit(disk_bytes=1))), shrinks=False
    )
    tally = Campaign(minutes=1, seed=1, only=(), out=tmp_path)._tally(attack, trials, 30)

    assert "unshare is not permitted" in line(tally)
    assert tally.kinds == []


@pytest.mark.campaign
def test_a_campaign_finds_nothing(tmp_path):
    """A minute of all attacks, with a new seed."""
    done = subprocess.run(
        [sys.executable, "-m", "campaign", "--minutes", "1", "--out", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": "tests"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
