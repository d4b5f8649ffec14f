"""A study's folder: ``study.json``, ``failures.json``, one folder a run below ``runs/``, and the tables of results."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shortstack.boundaries import json_object
from shortstack.config.changes import setting_at
from shortstack.errors import DataError, RunFolderError, SourceNotFoundError
from shortstack.files import held, write_json
from shortstack.pipeline.provenance import differences, in_words
from shortstack.pipeline.settling import finished_stages
from shortstack.posix import fcntl
from shortstack.run_layout import RUN
from shortstack.studies import grid
from shortstack.studies.settings import StudyRun, StudySettings

if TYPE_CHECKING:
    from shortstack.progress import Progress

STUDY: Final = "study.json"
"""The base's settings; each run's variant, values of the axes, and key."""
FAILURES: Final = "failures.json"
"""Run → its error, of runs that failed when they were last tried."""
RUNS: Final = "runs"
SCHEMA: Final = 1
_ADVICE: Final = "remove it, and start the study again: finished stages are kept"


def key_of(settings: Mapping[str, Any]) -> str:
    """Return a hash of all settings of a run, as ``run.json`` holds them."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def described(study: StudySettings) -> dict[str, Any]:
    """Return what ``study.json`` says of a study."""
    columns, members = study.varied, study.members
    words = {
        path: grid.in_words_apart([setting_at(member.run, path) for member in members.values()]) for path in columns
    }
    return {
        "schema": SCHEMA,
        "base": study.base.to_mapping(),
        "axes": list(columns),
        "variants": bool(study.variants),
        "runs": {
            name: _described(member, {path: words[path][place] for path in columns})
            for place, (name, member) in enumerate(members.items())
        },
    }


def _described(member: StudyRun, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"variant": member.point.variant, "values": dict(values), "key": key_of(member.run.to_mapping())}


def read_study(folder: Path) -> dict[str, Any]:
    """Return what a study's folder says of its study.

    Raises:
        SourceNotFoundError: The folder is no study's.
        DataError: Its ``study.json`` is damaged, or of another version.
    """
    path = folder / STUDY
    if not path.is_file():
        raise SourceNotFoundError(
            f"{folder} is no study's folder: it holds no {STUDY}; name one that shortstack study wrote"
        )
    fields = json_object(path, "is damaged", _ADVICE)
    if fields.get("schema") != SCHEMA or not {"base", "axes", "variants", "runs"} <= fields.keys():
        raise DataError(f"{path} is damaged, or of another version of shortstack; {_ADVICE}")
    return fields


def failures(folder: Path) -> dict[str, str]:
    """Return the errors of the runs that failed; none if the file is damaged, for those runs are tried again."""
    try:
        return dict(json_object(folder / FAILURES)) if (folder / FAILURES).is_file() else {}
    except DataError:
        return {}


def record_failure(folder: Path, name: str, error: str) -> None:
    """Write down that a run failed; with an empty error, that it no longer does."""
    known = failures(folder)
    others = {other: text for other, text in known.items() if other != name}
    if error or name in known:
        write_json(folder / FAILURES, {**others, name: error} if error else others)


@contextmanager
def claimed(folder: Path, study: StudySettings) -> Iterator[None]:
    """Hold a study's folder against other writers, and write ``study.json`` into it.

    Raises:
        RunFolderError: It holds something else, or another study, or another process holds it.
    """
    _require_a_studys(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / STUDY):
        new = described(study)
        if (folder / STUDY).is_file():
            _require_same(folder, read_study(folder), new)
        write_json(folder / STUDY, new)
        (folder / RUNS).mkdir(exist_ok=True)
        yield


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Show, while a process performs stages of a study, that it is at work; several may be."""
    with _locked_runs(folder, fcntl.LOCK_SH):
        yield


def await_others(folder: Path, progress: "Progress") -> None:
    """Wait until the processes of a study that was killed have ended too, which takes them a moment."""
    try:
        with _locked_runs(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return
    except BlockingIOError:
        progress.note(f"waiting for the processes of an earlier attempt that are still at work in {folder}")
    with _locked_runs(folder, fcntl.LOCK_EX):
        return


@contextmanager
def _locked_runs(folder: Path, how: int) -> Iterator[None]:
    descriptor = os.open(folder / RUNS, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _require_a_studys(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; name a new folder, or that of an earlier study")
    # a kill while study.json is first written leaves a temporary file and a lock
    others = [] if not folder.is_dir() else [path for path in folder.iterdir() if not path.name.startswith(f".{STUDY}")]
    if others and not any(path.name in {STUDY, RUNS} for path in others):
        raise RunFolderError(f"{folder} holds something else; name a new folder, or that of an earlier study")


def _require_same(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise unless both are studies of one base, in which a name means one run."""
    changes = list(differences(old["base"], new["base"]))
    if changes:
        theirs, ours = in_words(changes)
        raise RunFolderError(
            f"{folder} holds another study: its base has {theirs}, and this one's {ours}; name another folder, and that one in "
            "reuse to take what is equal"
        )
    other = next((name for name, run in new["runs"].items() if old["runs"].get(name, run)["key"] != run["key"]), None)
    if other is not None:
        raise RunFolderError(
            f"{folder} holds another study: its run {other!r} has other settings than this one's; name another folder, or another "
            "variant"
        )


def finished_in(folders: Sequence[Path]) -> dict[str, Path]:
    """Return the results of all finished stages in folders of runs and of studies, by their keys.

    Raises:
        SourceNotFoundError: A folder is neither a run's nor a study's.
    """
    return {
        key: place for folder in folders for root in _runs_in(folder) for key, place in finished_stages(root).items()
    }


def _runs_in(folder: Path) -> list[Path]:
    if (folder / RUN).is_file():
        return [folder]
    if not (folder / RUNS).is_dir():
        raise SourceNotFoundError(f"{folder} is no folder of a run or a study; correct it in reuse, or leave it out")
    return sorted(path for path in (folder / RUNS).iterdir() if path.is_dir())
