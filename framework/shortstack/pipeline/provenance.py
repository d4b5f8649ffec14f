"""Of which settings the things in a run's folder are: those of ``run.json``, or of a run before it."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from shortstack.run_layout import RECORD, REPORT, RESULT, RUN, STUDENT

LONGEST = 80
"""Letters of a setting's value in a sentence."""
Settings = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Difference:
    """A setting that two runs do not share.

    Attributes:
        name: Its dotted path.
        old: Its value in the first.
        new: Its value in the second.
    """

    name: str
    old: object
    new: object


def differences(old: Settings, new: Settings, prefix: str = "") -> Iterator[Difference]:
    """The settings that differ; what one of them does not have counts as none.

    >>> [found.name for found in differences({"seed": 0, "data": {"core": 5}}, {"seed": 1, "data": {"core": 5}})]
    ['seed']
    """
    for name in dict.fromkeys([*old, *new]):
        before, after, path = old.get(name), new.get(name), f"{prefix}{name}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from differences(before, after, f"{path}.")
        elif before != after:
            yield Difference(name=path, old=before, new=after)


def mixture(root: Path) -> str:
    """How a run's folder holds things of other settings than its ``run.json`` has, in a sentence; empty if it does not.

    That is what a run leaves that was started over another's results and did not come to its end.
    """
    promised = _tables(root / RUN)
    if not promised:
        return ""
    student = _without_evaluation(recorded(root / STUDENT).get("run") or {})
    parts = {
        f"{STUDENT}/": list(differences(student, _without_evaluation(promised))) if student else [],
        RESULT: list(differences(result_settings(root), promised)) if result_settings(root) else [],
    }
    older = [name for name, found in parts.items() if found]
    if not older:
        return ""
    old, new = in_words(max(parts.values(), key=len))
    return (
        f"{root} holds parts of two runs: {' and '.join(older)} {'is' if len(older) == 1 else 'are'} of {old}, but the run "
        f"of {RUN}, with {new}, did not come to its end; run it again with either settings to finish it"
    )


def replacement(root: Path, settings: Settings) -> tuple[str, str]:
    """What differs between the result that a folder holds and some settings, as ``in_words`` tells; empty if nothing."""
    finished = result_settings(root)
    found = list(differences(finished, settings)) if finished else []
    return in_words(found) if found else ("", "")


def in_words(found: list[Difference]) -> tuple[str, str]:
    """The settings of both runs: the first three, and how many more there are.

    >>> in_words([Difference(name="selection.strategy", old="strategic", new="last")])
    ("selection.strategy = 'strategic'", "selection.strategy = 'last'")
    """
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return (
        ", ".join(f"{one.name} = {_word(one.old)}" for one in found[:3]) + more,
        ", ".join(f"{one.name} = {_word(one.new)}" for one in found[:3]) + more,
    )


def recorded(folder: Path) -> dict[str, Any]:
    """What a finished stage recorded; nothing if it did not finish or the record is damaged: then it is done again."""
    record = folder / RECORD
    try:
        found = json.loads(record.read_bytes()) if record.is_file() else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def result_settings(root: Path) -> Settings:
    """The settings of the result that a folder holds; empty where there is none, or it is damaged."""
    found = _tables(root / RESULT).get("config")
    return found if isinstance(found, dict) else {}


def kept_beside(root: Path) -> Path:
    """Where a folder's result goes if another takes its place: ``NAME@KEY``, by its settings."""
    text = json.dumps(result_settings(root), sort_keys=True)
    place = root.resolve()
    return place.with_name(f"{place.name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}")


def keep_beside(root: Path) -> Path:
    """Keep a folder's result: settings, figures, report and student; nothing is copied where files can be linked.

    A stage never writes into the files of an earlier result, so both may share them.
    """
    target, settings = kept_beside(root), result_settings(root)
    if target.exists():
        return target
    staging = target.with_name(f".{target.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    for name in (RESULT, REPORT):
        if (root / name).is_file():
            _link(str(root / name), str(staging / name))
    if recorded(root / STUDENT).get("run") == settings:
        shutil.copytree(root / STUDENT, staging / STUDENT, copy_function=_link)
    (staging / RUN).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return staging.rename(target)


def described_settings(folder: Path) -> str:
    """What the student in a folder was made with, in a few words; empty where no run recorded it."""
    record = recorded(folder)
    run = record.get("run") or {}
    if not run:
        return ""
    if record.get("stage") in {"teacher", "scratch"}:  # of no selection
        return f"the {'teacher' if record['stage'] == 'teacher' else 'model from scratch'} of a run with seed = {run['seed']}"
    given = run["selection"].items()
    unused = {"latency_batch_size"} if run["selection"].get("latency_ms") is None else set()
    selection = {name: value for name, value in given if value not in (None, {}, [], ()) and name not in unused}
    chosen = ", ".join(f"{name} = {_word(value)}" for name, value in selection.items())
    return f"made with {chosen}, student.architecture = {_word(run['student']['architecture'])}, seed = {run['seed']}"


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
    return target


def _without_evaluation(settings: Settings) -> Settings:
    """The settings that a student depends on."""
    return {name: value for name, value in settings.items() if name != "evaluation"}


def _tables(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _word(value: object) -> str:
    text = "none" if value is None else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
