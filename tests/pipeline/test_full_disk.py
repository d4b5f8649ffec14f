"""A disk that fills up at any moment: one line that names it, nothing whole is lost, and the same command goes on."""

import contextlib
import errno
import json
import os
import resource
import shutil
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline.conftest import without_times
from safetensors import SafetensorError

from shortstack import DiskFullError, Run
from shortstack.cli import main
from shortstack.config.writer import unstructure
from shortstack.digests import damage
from shortstack.errors import DataError, DownloadError, UnwritableError
from shortstack.files import write_json, written_whole
from shortstack.full_disk import full_disk_behind, full_disks_named
from shortstack.registry.isolation import plugin_errors

SAID = (
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/data/file"),
    OSError(errno.EFBIG, os.strerror(errno.EFBIG)),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    pl.exceptions.ComputeError("parquet: File out of specification: underlying IO error: File too large (os error 27)"),
    OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
    RuntimeError(
        "[enforce fail at inline_container.cc:668] . PytorchStreamWriter failed writing file data/0: file write failed"
    ),
    RuntimeError("basic_ios::clear: No space left on device: iostream error"),
)
"""As Python, Rust, Arrow, torch and C++ say it."""
OTHERS = (
    OSError(errno.EACCES, os.strerror(errno.EACCES)),
    ValueError("28"),
    SafetensorError("Error while deserializing header: HeaderTooLarge"),
    DataError("items.csv:28: 'No space left on device' is no item (errno 28)"),
)
"""Errors about something else."""


def wrapped(error, how):
    """Return an error that was raised because of another, or while that was handled, as libraries do."""
    outer = RuntimeError("saving failed")
    if how == "from":
        outer.__cause__ = error
    outer.__context__ = error
    return outer


@pytest.mark.parametrize("error", SAID, ids=lambda error: str(error)[:30])
@pytest.mark.parametrize("how", ["itself", "from", "while"])
def test_a_full_disk_is_recognised_in_any_words(tmp_path, error, how):
    """By its number or its words, whatever was raised after it; the line says what, where, how much is free, what to do."""
    raised = error if how == "itself" else wrapped(error, how)
    with pytest.raises(DiskFullError) as told, full_disks_named(tmp_path, "the stage 'teacher'"):
        raise raised

    what = "/data/file" if "/data/file" in str(error) else "the stage 'teacher'"
    assert str(told.value).startswith(f"{what} cannot be written ({' '.join(str(error).split())}): the disk of ")
    assert " MB free; make room for it, and start the same command again: what was written before is kept" in str(
        told.value
    )
    assert told.value.__cause__ is error


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: str(error)[:30])
@pytest.mark.parametrize("how", ["itself", "from", "while"])
def test_other_errors_are_left_as_they_are(tmp_path, error, how):
    """Not the words alone make a full disk: a sentence of ours may quote a title."""
    raised = error if how == "itself" else wrapped(error, how)
    with pytest.raises(type(raised)) as told, full_disks_named(tmp_path, "anything"):
        raise raised

    assert told.value is raised
    assert full_disk_behind(raised) is None


@pytest.mark.parametrize("error", SAID, ids=lambda error: str(error)[:30])
def test_no_plugin_is_blamed_for_a_full_disk(error):
    """It passes the plugin's door as it is, without a note."""
    with pytest.raises(type(error)) as told, plugin_errors("dataset acme/movies"):
        raise error

    assert told.value is error
    assert not getattr(told.value, "__notes__", [])


def test_an_error_that_was_told_is_told_once(tmp_path):
    """What names a file already is not said again for the folder; an error of ours behind another comes out."""
    inner = DiskFullError("x.json cannot be written")
    for raised in (inner, wrapped(inner, "from")):
        with pytest.raises(DiskFullError, match=r"^x\.json cannot be written$"), full_disks_named(tmp_path, "y"):
            raise raised


@pytest.fixture
def no_larger_than():
    """A context in which no file of this process may be larger than a number of bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextlib.contextmanager
    def limited(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


def test_a_json_file_that_does_not_fit(tmp_path, no_larger_than):
    """The earlier file stays, and nothing else."""
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(DiskFullError, match=r"a\.json cannot be written .*File too large.*MB free"), no_larger_than(9):
        write_json(tmp_path / "a.json", "x" * 100)

    assert [tmp_path / "a.json"] == list(tmp_path.iterdir())
    assert 1 == json.loads((tmp_path / "a.json").read_bytes())


def begun_and_failed(path, error):
    """Begin to write a file, and raise an error."""
    with written_whole(path) as partial:
        partial.write_text("begun")
        raise error


@pytest.mark.parametrize("error", SAID, ids=lambda error: str(error)[:30])
def test_a_file_that_does_not_fit_by_any_library(tmp_path, error):
    """Whatever the library raises that writes it; what was begun is gone."""
    with pytest.raises(DiskFullError, match=r"a\.txt cannot be written"):
        begun_and_failed(tmp_path / "a.txt", error)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [ValueError("28"), KeyboardInterrupt()], ids=repr)
def test_an_error_that_ends_a_file(tmp_path, error):
    """It passes as it is, and what was begun is gone."""
    with pytest.raises(type(error)) as raised:
        begun_and_failed(tmp_path / "a.txt", error)

    assert raised.value is error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [0, 1, 3, 4, 100, 1_000, 1 << 14, 1 << 16])
def test_a_table_that_does_not_fit(tmp_path, no_larger_than, size):
    """Polars raises an error of its own kind, and of another at its first bytes."""
    table = pl.DataFrame({"score": [1 / number for number in range(1, 50_000)]})
    for write, name in ((table.write_parquet, "a.parquet"), (table.write_csv, "a.csv")):
        fails = pytest.raises(DiskFullError, match=rf"{name} cannot be written .*File too large")
        with fails, no_larger_than(size), written_whole(tmp_path / name) as partial:
            write(partial)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [0, 7, 4_096, 20_000])
def test_a_table_of_many_columns_that_does_not_fit(tmp_path, no_larger_than, size):
    """Of it polars says "transport error", and neither a number nor that the disk is full."""
    table = pl.DataFrame({f"column {number}": ["x" * number] * 3 for number in range(60)})
    fails = pytest.raises(DiskFullError, match=r"a\.parquet cannot be written .*File too large")
    with fails, no_larger_than(size), written_whole(tmp_path / "a.parquet") as partial:
        table.write_parquet(partial)

    assert not list(tmp_path.iterdir())


def test_our_own_errors_are_never_a_full_disk(tmp_path, no_larger_than):
    """They know what was wrong, however little room there is."""
    with pytest.raises(DataError, match="it is wrong"), no_larger_than(0), written_whole(tmp_path / "a.json"):
        raise DataError("it is wrong")
    with pytest.raises(ValueError, match="usage"), no_larger_than(0), full_disks_named(tmp_path, "x", tries=False):
        raise ValueError("usage")

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit", [0, 100, 1 << 19])
def test_a_stage_whose_library_does_not_say_why(tmp_path, no_larger_than, limit):
    """The disk itself is tried, and nothing of that is left."""
    fails = pytest.raises(DiskFullError, match=r"the stage 'data' cannot be written .*File too large")
    with fails, no_larger_than(limit), full_disks_named(tmp_path, "the stage 'data'"):
        raise pl.exceptions.ComputeError("parquet: File out of specification: Invalid thrift: transport error")

    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_for_another_reason(tmp_path):
    """A folder that is not there is no full disk."""
    with pytest.raises(UnwritableError, match="No such file") as told:
        write_json(tmp_path / "missing" / "a.json", 1)
    assert not isinstance(told.value, DiskFullError)


@pytest.fixture(scope="module")
def described(ring, tables, tmp_path_factory):
    """The settings of a short run, and their file."""
    run = Run.from_mapping(tables(ring, evaluation={"resamples": 100, "scratch": False}))
    path = tmp_path_factory.mktemp("settings") / "run.json"
    write_json(path, unstructure(run))
    return run, path


@pytest.fixture(scope="module")
def expected(described, tmp_path_factory):
    """The figures of a run that had room."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    described[0].execute(folder)
    return figures(folder)


def figures(folder):
    """Return a result without times."""
    return without_times(json.loads((folder / "result.json").read_text(encoding="utf-8")))


def attempt(arguments, capsys):
    """Run a command; return its exit code and its lines of errors."""
    capsys.readouterr()
    code = 0
    try:
        main(arguments)
    except SystemExit as end:
        code = end.code or 0
    return code, capsys.readouterr().err.splitlines()


def fill_and_go_on(folder, described, expected, no_larger_than, capsys, size):
    """Run the command line with files of limited size, then without the limit; check both."""
    command = ["audit", str(folder)]
    folder.mkdir()
    write_json(folder / "run.json", unstructure(described[0]))
    with no_larger_than(size):
        code, lines = attempt(command, capsys)
    if code:
        assert (code, len(lines)) == (2, 1), lines
        assert "cannot be written (" in lines[0]
        assert "the disk of " in lines[0]
        assert "plugin" not in lines[0]
        assert "dataset" not in lines[0]
    assert [damage(record.parent) for record in folder.glob("*/stage.json") if damage(record.parent)] == []
    described[0].execute(folder)

    assert expected == figures(folder) | {"audit": expected["audit"]}
    assert list(folder.glob(".*")) == []


@pytest.mark.parametrize("size", [300, pytest.param(12_000, marks=pytest.mark.full)])
def test_a_run_on_a_full_disk_goes_on_when_there_is_room(tmp_path, described, expected, no_larger_than, capsys, size):
    """The first size stops the data, the second the training."""
    fill_and_go_on(tmp_path / "run", described, expected, no_larger_than, capsys, size)


@pytest.mark.full
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(exponent=st.floats(0, 18))
def test_a_run_on_a_disk_that_is_full_at_any_size(tmp_path, described, expected, no_larger_than, capsys, exponent):
    """Sizes from a byte to more than any file has, drawn evenly by magnitude."""
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    fill_and_go_on(folder, described, expected, no_larger_than, capsys, int(2**exponent))


FILLED = """
mount -t tmpfs -o size={size} none {folder} || exit 77
{python} -m shortstack audit {folder}/run
echo "code $?"
mount -o remount,size=100m {folder}
{python} -m shortstack audit {folder}/run --json >/dev/null
echo "code $?"
cp {folder}/run/result.json {folder}/../
"""


@pytest.mark.full
@pytest.mark.parametrize("kilobytes", [64, 200, 300, 450, 700])
def test_a_run_on_a_small_file_system(tmp_path, described, expected, kilobytes):
    """A file system that is really full, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    script = FILLED.format(size=f"{kilobytes}k", folder=folder, python=sys.executable).replace(
        "|| exit 77", f"|| exit 77\nmkdir {folder}/run; cp {described[1]} {folder}/run/run.json"
    )
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()[:100]}")
    codes = [line for line in done.stdout.splitlines() if line.startswith("code ")]

    assert codes in (["code 2", "code 0"], ["code 0", "code 0"]), done.stderr
    if codes[0] == "code 2":
        (line,) = done.stderr.splitlines()
        assert "No space left on device" in line
        assert "cannot be written (" in line
    assert expected == figures(tmp_path) | {"audit": expected["audit"]}


def test_a_download_that_does_not_fit_is_one_line_too(tmp_path):
    """The error of a download comes from the same number, and out of the same door."""
    error = DownloadError("https://example.org/a.zip does not fit on the disk")
    error.__cause__ = SAID[0]
    with pytest.raises(DiskFullError, match="the output cannot be written"), full_disks_named(tmp_path, "the output"):
        raise error
