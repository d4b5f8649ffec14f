"""``shortstack recommend --users``: the answers of ``recommend_many``, whatever interrupts it."""

import json
import os
import re
import signal
import subprocess
import sys

import polars as pl
import pytest
from batch.conftest import Noted

from shortstack.batch import workers
from shortstack.batch.parts import write_part
from shortstack.batch.recommend_users import UserBatch
from shortstack.cli import main
from shortstack.data.history_check import HistoryCheck
from shortstack.data.user_histories import user_history
from shortstack.errors import (
    ConfigurationError,
    DataError,
    EmptyDataError,
    OutOfMemoryError,
    RowError,
    RunFolderError,
    SourceNotFoundError,
)
from shortstack.progress import Silent

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.fixture
def job(tmp_path, folder, users):
    """A batch of 150 users: three parts."""
    users.write_parquet(tmp_path / "users.parquet")
    return UserBatch(folder=folder, users=tmp_path / "users.parquet", top=3)


def expected(recommender, users, **settings):
    """What ``recommend_many`` gives, as columns."""
    answers = recommender.recommend_many(users["items"].to_list(), 3, **settings)
    return [[(one.id, one.title, one.score) for one in answer] for answer in answers]


def columns(frame):
    """The same of a frame."""
    rows = zip(*(frame[name].to_list() for name in ("items", "titles", "scores")), strict=True)
    return [list(zip(*row, strict=True)) for row in rows]


@pytest.mark.parametrize("exclude_seen", [None, False])
def test_equal_to_recommend_many(tmp_path, recommender, users, job, noted, exclude_seen):
    """To the last bit, in the file's order; the folder beside the output is gone."""
    out = tmp_path / "out.parquet"
    with_titles = UserBatch(**{**fields(job), "titles": True, "exclude_seen": exclude_seen})
    facts = with_titles.execute(out, noted)
    frame = pl.read_parquet(out)

    assert expected(recommender, users, exclude_seen=exclude_seen) == columns(frame)
    assert (pl.Int64(), users["user"].to_list()) == (frame["user"].dtype, frame["user"].to_list())
    assert (150, 0, 0) == (facts["users"], facts["without"], facts["unknown"])
    assert (("users", 150), [0, 64, 128, 150]) == (noted.total, noted.done)
    assert {"users.parquet", "out.parquet"} == {path.name for path in tmp_path.iterdir()}


def fields(job):
    """Its settings."""
    return {name: getattr(job, name) for name in ("folder", "users", "top")}


def test_a_frame(recommender, users):
    """The same from Python, of any library."""
    frame = recommender.recommend_frame(users, 3, titles=True)

    assert expected(recommender, users) == columns(frame)
    assert frame.equals(recommender.recommend_frame(users.to_pandas(), 3, titles=True))
    assert ["user", "items", "scores"] == recommender.recommend_frame(users.head(1)).columns


def test_a_users_own_flag(recommender):
    """It goes before the flag of all."""
    users = pl.DataFrame({"user": ["a", "b"], "items": [["m1"], ["m1"]], "exclude_seen": [False, None]})
    both = recommender.recommend_frame(users, 16, exclude_seen=True)["items"].to_list()

    assert [True, False] == ["m1" in items for items in both]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_an_interruption(tmp_path, job, monkeypatch, part):
    """The same again goes on: finished parts are not computed again, and the bytes are those of one go."""
    job.execute(tmp_path / "whole.parquet", Silent())
    computed = []

    def interrupted(one, settings):
        if one.path.name == f"{part:08}.parquet" and len(computed) == part:
            raise KeyboardInterrupt
        computed.append(one.path.name)
        return write_part(one, settings)

    monkeypatch.setattr(workers, "write_part", interrupted)
    out = tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt):
        job.execute(out, Silent())
    assert not out.exists()
    monkeypatch.setattr(
        workers, "write_part", lambda one, settings: computed.append(one.path.name) or write_part(one, settings)
    )
    resumed = Noted()
    job.execute(out, resumed)

    assert ["00000000.parquet", "00000001.parquet", "00000002.parquet"] == computed
    assert 64 * part == resumed.done[0]
    assert (tmp_path / "whole.parquet").read_bytes() == out.read_bytes()


def test_an_interruption_before_the_end(tmp_path, job, monkeypatch):
    """A kill after the output is in place leaves parts, which the same command removes."""
    out, real = tmp_path / "out.parquet", "shortstack.batch.recommend_users.shutil.rmtree"
    with monkeypatch.context() as patched:
        patched.setattr(real, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        (tmp_path / ".out.parquet.parts").mkdir()
        with pytest.raises(KeyboardInterrupt):
            job.execute(out, Silent())
    first = job.execute(out, Silent())
    content = out.read_bytes()

    assert first == job.execute(out, Silent())
    assert content == out.read_bytes()
    assert not (tmp_path / ".out.parquet.parts").exists()


def test_parts_of_another_job(tmp_path, job, monkeypatch):
    """They are computed again: the input, the settings or the model are others."""
    monkeypatch.setattr(workers, "write_part", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    out = tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt):
        job.execute(out, Silent())
    stale = tmp_path / ".out.parquet.parts" / "00000000.parquet"
    stale.write_bytes(b"stale")
    monkeypatch.undo()
    UserBatch(**{**fields(job), "top": 4}).execute(out, Silent())

    assert {4} == set(pl.read_parquet(out)["items"].list.len())


def test_a_file_in_the_place_of_the_parts(tmp_path, job):
    """It is named, and stays as it is."""
    blocking = tmp_path / ".out.parquet.parts"
    blocking.write_text("mine", encoding="utf-8")

    with pytest.raises(
        RunFolderError, match=r"\.out\.parquet\.parts is a file, and the finished parts of out\.parquet"
    ):
        job.execute(tmp_path / "out.parquet", Silent())
    assert blocking.read_text(encoding="utf-8") == "mine"


def test_an_output_that_exists(tmp_path, job):
    """It is never overwritten; the same job again has nothing to do."""
    out = tmp_path / "out.parquet"
    job.execute(out, Silent())
    with pytest.raises(RunFolderError, match=r"out.parquet exists, and is of other users, settings or another model"):
        UserBatch(**{**fields(job), "top": 4}).execute(out, Silent())
    with pytest.raises(RunFolderError, match=r"users.parquet exists and is not what this command writes"):
        job.execute(job.users, Silent())
    with pytest.raises(ConfigurationError, match=r"the output is a Parquet file: name it NAME.parquet, got .*out.csv"):
        job.execute(tmp_path / "out.csv", Silent())
    with pytest.raises(SourceNotFoundError, match="is no folder; make it first"):
        job.execute(tmp_path / "none" / "out.parquet", Silent())


def test_unknown_items(tmp_path, folder, recommender, noted):
    """Counted, with similar names, before anything is computed; or left out."""
    rows = {"user": ["a", "b", "c"], "items": [["Film 3", "Flim 3", "m1"], ["Flim 3"], ["§"]]}
    path = tmp_path / "users.jsonl"
    path.write_text("".join(json.dumps({"user": u, "items": i}) + "\n" for u, i in zip(*rows.values(), strict=True)))
    message = (
        f"{path} names 2 items that the catalogue lacks, 3 of 5 times: 'Flim 3' 2 times (near: 'Film 3', 'Film 13', 'Film 9'), "
        "'§' 1 time (nothing is near); correct them, or leave unknown items out with --skip-unknown"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        UserBatch(folder=folder, users=path).execute(tmp_path / "out.parquet", Silent())
    with pytest.raises(DataError, match=r"the table names 2 items .* leave unknown items out with skip_unknown=True"):
        recommender.recommend_frame(pl.DataFrame(rows))
    facts = UserBatch(folder=folder, users=path, skip_unknown=True, top=2).execute(tmp_path / "out.parquet", noted)
    frame = pl.read_parquet(tmp_path / "out.parquet")

    assert (3, 2, 2) == (facts["users"], facts["without"], facts["unknown"])
    assert noted.notes[0].startswith(f"{path}: 2 items that the catalogue lacks, 3 of 5 times are left out: 'Flim 3'")
    assert [[one.id for one in recommender.recommend(["Film 3", "m1"], 2)], [], []] == frame["items"].to_list()
    assert frame.equals(recommender.recommend_frame(pl.DataFrame(rows), 2, skip_unknown=True))


def test_very_many_unknown_items(monkeypatch, recommender):
    """The memory does not grow with them."""
    monkeypatch.setattr("shortstack.data.history_check._DISTINCT", 6)
    check = HistoryCheck(catalogue=recommender.catalogue)
    check.places(user_history(1, "u", [f"x{number}" for number in range(9)]))
    with pytest.raises(DataError, match=r"names 6 or more items that .*, 9 of 9 times: .*, and 1 or more others;"):
        check.require_known("f", "g")


def test_empty_histories(tmp_path, folder):
    """Refused by file and row, or answered with an empty list."""
    path = tmp_path / "users.csv"
    path.write_text("user,items\na,m1\nb,\n")
    with pytest.raises(RowError, match=re.escape(f"{path}:3: the user has no items; give one, or an empty answer")):
        UserBatch(folder=folder, users=path).execute(tmp_path / "out.parquet", Silent())
    UserBatch(folder=folder, users=path, skip_unknown=True).execute(tmp_path / "out.parquet", Silent())
    assert [10, 0] == pl.read_parquet(tmp_path / "out.parquet")["items"].list.len().to_list()
    path.write_text("user,items\n")
    with pytest.raises(EmptyDataError, match=r"users.csv holds no users"):
        UserBatch(folder=folder, users=path).execute(tmp_path / "other.parquet", Silent())


def test_a_file_that_changes(tmp_path, job, monkeypatch):
    """While it is read."""

    def changing(one, settings):
        job.users.write_bytes(job.users.read_bytes() + b" ")
        return write_part(one, settings)

    monkeypatch.setattr(workers, "write_part", changing)
    with pytest.raises(DataError, match=r"users.parquet changed while it was read; start the same command again"):
        job.execute(tmp_path / "out.parquet", Silent())


def test_a_model_that_rates(tmp_path, job, rater_folder):
    """Before anything is computed."""
    with pytest.raises(ConfigurationError, match="this model rates items and does not rank them"):
        UserBatch(folder=rater_folder, users=job.users).execute(tmp_path / "out.parquet", Silent())


def said(arguments, capfd):
    """Exit code, and what a command says."""
    code = 0
    try:
        main(["recommend", *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    return (code, *capfd.readouterr())


def test_the_command(tmp_path, job, capfd):
    """It says how many, and where they are."""
    out = tmp_path / "out.parquet"
    code, shown, noted = said(
        [job.folder, "--users", job.users, "--out", out, "--seen", "include", "--top", "3"], capfd
    )

    assert (0, f"{out}: recommendations for 150 users\n") == (code, shown)
    assert "check of users.parquet: done in" in noted
    assert 3 == pl.read_parquet(out)["items"].list.len().max()


def test_what_does_not_go_together(folder, capfd):
    """One line each."""
    for arguments, message in (
        ([], "recommend takes either --history ITEM, or --users FILE with --out FILE.parquet"),
        (["--history", "m1", "--users", "u.csv"], "recommend takes either --history ITEM, or --users FILE"),
        (["--users", "u.csv"], "--users writes a Parquet file: name it with --out FILE.parquet, without --json"),
        (["--users", "u.csv", "--out", "o.parquet", "--json"], "--users writes a Parquet file"),
        (
            ["--history", "m1", "--titles"],
            "--out, --skip-unknown, --titles, --processes and --ray go with --users FILE",
        ),
        (
            ["--history", "m1", "--ray", "local"],
            "--out, --skip-unknown, --titles, --processes and --ray go with --users FILE",
        ),
    ):
        code, _, err = said([folder, *arguments], capfd)

        assert (2, 1) == (code, err.count("\n"))
        assert message in err


@pytest.mark.full
def test_processes(tmp_path, job):
    """They write the same bytes, and one that is ended is one line."""
    job.execute(tmp_path / "one.parquet", Silent())
    UserBatch(**fields(job), processes=2).execute(tmp_path / "two.parquet", Silent())
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


KILLED = """
import os, signal, sys
from pathlib import Path
from shortstack.batch import parts, recommend_users
from shortstack.progress import Silent

if __name__ == "__main__":
    parts.USERS = recommend_users.USERS = 64
    def killing(*arguments):
        for size in computed(*arguments):
            yield size
            os.kill(os.getpid(), signal.SIGKILL)
    computed, recommend_users.computed = recommend_users.computed, killing
    folder, users, out = sys.argv[1:]
    batch = recommend_users.UserBatch(folder=Path(folder), users=Path(users), top=3, processes=2)
    batch.execute(Path(out), Silent())
"""


@pytest.mark.full
def test_a_kill(tmp_path, job):
    """What was written stays, its workers end with it, and the rest gives the bytes of one go."""
    (tmp_path / "killed.py").write_text(KILLED)
    out = tmp_path / "out.parquet"
    command = [sys.executable, str(tmp_path / "killed.py"), *map(str, (job.folder, job.users, out))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # it returns when the workers, which hold the same pipe, have ended too
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert -signal.SIGKILL == done.returncode, done.stderr
    assert (tmp_path / ".out.parquet.parts" / "00000000.parquet").is_file()

    resumed = Noted()
    job.execute(out, resumed)
    job.execute(tmp_path / "whole.parquet", Silent())
    assert resumed.done[0] >= 64
    assert (tmp_path / "whole.parquet").read_bytes() == out.read_bytes()


@pytest.mark.full
def test_a_process_that_is_ended(tmp_path, job, monkeypatch):
    """As the kernel does when memory is short."""
    monkeypatch.setattr(workers, "write_part", ended)
    with pytest.raises(OutOfMemoryError, match="one of 2 processes was ended, most likely for lack of memory"):
        UserBatch(**fields(job), processes=2).execute(tmp_path / "out.parquet", Silent())


def ended(_part, _settings):
    """End this process."""
    os.kill(os.getpid(), signal.SIGKILL)
