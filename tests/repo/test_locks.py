"""A file is held by one at a time, and the lock is a plain file of its own."""

import subprocess
import sys

import pytest

from shortstack.errors import RunFolderError, SourceNotFoundError
from shortstack.files import held

LOOP = """
import os, sys, time
from pathlib import Path
from shortstack.errors import RunFolderError
from shortstack.files import held

folder, end, taken, twice = Path(sys.argv[1]), time.monotonic() + 1.5, 0, 0
while time.monotonic() < end:
    try:
        with held(folder / "scores.json"):
            try:
                os.close(os.open(folder / "inside", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                twice += 1
                continue
            (folder / "inside").unlink()
            taken += 1
    except RunFolderError:
        continue
print(taken, twice)
"""


def test_never_held_twice(tmp_path):
    """Four processes take and release it in a tight loop: there is never more than one inside."""
    command = [sys.executable, "-c", LOOP, str(tmp_path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    counts = [[int(number) for number in worker.communicate()[0].split()] for worker in workers]

    assert sum(twice for _, twice in counts) == 0
    assert sum(taken for taken, _ in counts) > 100
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_its_place_is_left_alone(tmp_path):
    """It is neither followed nor emptied."""
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    (tmp_path / ".scores.json.lock").symlink_to(precious)

    with pytest.raises(RunFolderError, match="is a link"), held(tmp_path / "scores.json"):
        pass
    assert precious.read_text() == "keep me"


def test_held_by_another(tmp_path):
    """The second is refused; the first may go on."""
    with held(tmp_path / "x"), pytest.raises(RunFolderError, match="another process is writing"), held(tmp_path / "x"):
        pass
    with held(tmp_path / "x"):
        pass


def test_no_folder(tmp_path):
    """Nothing is made."""
    with pytest.raises(SourceNotFoundError, match="is no folder"), held(tmp_path / "no" / "x"):
        pass
