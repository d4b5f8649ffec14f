"""``recommend --users --ray``: the bytes of one process, whatever interrupts it; and what is said where there is no cluster."""

import os
import signal
import sys

import attrs
import pytest
from batch.conftest import Noted

from shortstack.batch.on_ray import computed_on_ray
from shortstack.batch.parts import Part, PartSettings
from shortstack.batch.recommend_users import UserBatch
from shortstack.cli import main
from shortstack.errors import ConfigurationError, SourceNotFoundError, WorkerError
from shortstack.progress import Silent
from shortstack.ray_cluster import connected

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.fixture
def job(tmp_path, folder, users):
    """A batch of 150 users, three parts, on a cluster of this machine."""
    users.write_parquet(tmp_path / "users.parquet")
    return UserBatch(folder=folder, users=tmp_path / "users.parquet", top=3, processes=2, ray="local")


@pytest.mark.full
def test_a_cluster(tmp_path, job):
    """It writes what one process writes; a part that is there is not computed again."""
    attrs.evolve(job, ray=None, processes=1).execute(tmp_path / "here.parquet", Silent())
    out, noted = tmp_path / "there.parquet", Noted()
    job.execute(out, noted)
    assert (tmp_path / "here.parquet").read_bytes() == out.read_bytes()
    assert [0, 64, 128, 150] == noted.done

    again = Noted()
    with pytest.raises(KeyboardInterrupt):
        job.execute(tmp_path / "resumed.parquet", Interrupting())
    job.execute(tmp_path / "resumed.parquet", again)
    assert again.done[0] >= 64
    assert out.read_bytes() == (tmp_path / "resumed.parquet").read_bytes()


class Interrupting(Noted):
    """Ctrl-C once a part is written."""

    def job(self, name, total):
        """Interrupt after the first part."""
        from contextlib import nullcontext

        def step(done, _note=""):
            if done:
                raise KeyboardInterrupt

        return nullcontext(step)


@pytest.mark.full
def test_what_fails_in_a_task(tmp_path, monkeypatch):
    """An error of ours is the same line as without Ray; a process that is ended each time is a line, too."""
    settings = PartSettings(
        folder=tmp_path / "none", device="cpu", top=1, exclude_seen=None, titles=False, user_type="String"
    )
    part = Part(path=tmp_path / "part.parquet", histories=())
    with connected("local") as ray:
        with pytest.raises(SourceNotFoundError, match=r"^[^\n]*none[^\n]*$"):
            next(computed_on_ray([part], settings, ray, 1))
        monkeypatch.setattr("shortstack.batch.on_ray._written", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        with pytest.raises(WorkerError, match=r"a part's process was lost 3 times \(WorkerCrashedError\); if memory"):
            next(computed_on_ray([part], settings, ray, 1))


@pytest.mark.full
def test_there_is_no_cluster(tmp_path, job, capfd):
    """Whether the address is one or none; nothing was begun."""
    for address in ("nowhere", "127.0.0.1:1"):
        arguments = ["--users", job.users, "--out", tmp_path / "out.parquet", "--ray", address]
        with pytest.raises(SystemExit) as end:
            main(["recommend", *map(str, [job.folder, *arguments])])

        assert 2 == end.value.code
        assert f"error: there is no Ray cluster at '{address}' (" in capfd.readouterr().err.splitlines()[-1]
    assert [job.users] == list(tmp_path.iterdir())


def test_ray_is_not_installed(tmp_path, job, monkeypatch):
    """The message names the extra, before anything is read."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        ConfigurationError, match=r'Ray is not installed; install it with pip install "shortstack\[ray\]"'
    ):
        job.execute(tmp_path / "out.parquet", Silent())


def test_a_cluster_without_gpus(tmp_path):
    """Said before a task is sent."""

    class Cluster:
        def nodes(self):
            return [{"Alive": True, "Resources": {"CPU": 4.0}}, {"Alive": False, "Resources": {"GPU": 1.0}}]

    settings = PartSettings(folder=tmp_path, device="cuda", top=1, exclude_seen=None, titles=False, user_type="String")
    with pytest.raises(ConfigurationError, match="--device cuda: the Ray cluster has no GPU; use cpu"):
        next(computed_on_ray([], settings, Cluster(), None))
