"""Provenance of the results in a run's folder: the settings of ``run.json``, or those of an earlier run."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from shortstack.boundaries import read_as
from shortstack.digests import checked_object, read_record, write_record
from shortstack.errors import DataError
from shortstack.files import link, write_through
from shortstack.run_layout import EVALUATION, RECORD, REPORT, RESULT, RUN, SASREC, STUDENT

_WITHOUT_SELECTION: Final = {"teacher": "teacher", "scratch": "model from scratch", SASREC: "baseline SASRec"}
"""Stage of a model that depends on no selection → its name in words."""
LONGEST = 80
"""Length, in characters, to which a setting's value is cut in a message."""
Settings = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Difference:
    """A setting that differs between two runs.

    Attributes:
        name: Dotted path of the setting.
        old: Value in the first run.
        new: Value in the second run.
    """

    name: str
    old: object
    new: object


def differences(old: Settings, new: Settings, prefix: str = "") -> Iterator[Difference]:
    """Yield the settings that differ; a missing setting counts as None.

    >>> [change.name for change in differences({"seed": 0, "data": {"core": 5}}, {"seed": 1, "data": {"core": 5}})]
    ['seed']
    """
    for name in dict.fromkeys([*old, *new]):
        before, after, path = old.get(name), new.get(name), f"{prefix}{name}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from differences(before, after, f"{path}.")
        elif before != after:
            yield Difference(name=path, old=before, new=after)


def mixture(root: Path) -> str:
    """Return a sentence about results in a run's folder whose settings differ from its ``run.json``; empty if none do.

    Such a folder is left by a run that was started over another's results and did not finish.
    """
    promised = _tables(root / RUN)
    if not promised:
        return ""
    with read_as(root, "holds records that are damaged", "remove its student, and run it again"):
        return _mixed(root, promised)


def _mixed(root: Path, promised: Settings) -> str:
    student = _without_evaluation(recorded(root / STUDENT).get("run") or {})
    parts = {
        f"{STUDENT}/": list(differences(student, _without_evaluation(promised))) if student else [],
        RESULT: list(differences(result_settings(root), promised)) if result_settings(root) else [],
    }
    older = [name for name, changes in parts.items() if changes]
    if not older:
        return ""
    old, new = in_words(max(parts.values(), key=len))
    return (
        f"{root} holds parts of two runs: {' and '.join(older)} {'is' if len(older) == 1 else 'are'} of {old}, but the run "
        f"of {RUN}, with {new}, did not come to its end; run it again with either settings to finish it"
    )


def replacement(root: Path, settings: Settings) -> tuple[str, str]:
    """Return the differences between a folder's result and some settings, as ``in_words`` gives them; empty if none."""
    finished = result_settings(root)
    changes = list(differences(finished, settings)) if finished else []
    return in_words(changes) if changes else ("", "")


def in_words(differences: list[Difference]) -> tuple[str, str]:
    """Return the differing settings of both runs in words: the first three, and the number of the others.

    >>> in_words([Difference(name="selection.strategy", old="strategic", new="last")])
    ("selection.strategy = 'strategic'", "selection.strategy = 'last'")
    """
    more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
    return (
        ", ".join(f"{change.name} = {_word(change.old)}" for change in differences[:3]) + more,
        ", ".join(f"{change.name} = {_word(change.new)}" for change in differences[:3]) + more,
    )


def recorded(folder: Path) -> dict[str, Any]:
    """Return the record of a finished stage; empty if it did not finish or the record is damaged, so that it runs again."""
    return read_record(folder / RECORD) or {}


def result_settings(root: Path) -> Settings:
    """Return the settings of a folder's result; empty if there is none, or it is damaged."""
    settings = _tables(root / RESULT).get("config")
    return settings if isinstance(settings, dict) else {}


def kept_beside(root: Path) -> Path:
    """Return the path that a folder's result moves to when another replaces it: ``NAME@KEY``, by its settings."""
    text = json.dumps(result_settings(root), sort_keys=True)
    place = root.resolve()
    return place.with_name(f"{place.name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}")


def keep_beside(root: Path) -> Path:
    """Keep a folder's result under another name: settings, figures, cases, report and student, hard-linked where possible.

    A stage never writes into the files of an earlier result, so both may share them.
    """
    target, settings = kept_beside(root), result_settings(root)
    if target.exists():
        return target
    # made under another name and renamed, so that a kill leaves no incomplete copy
    staging = target.with_name(f".{target.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    for name in (RESULT, REPORT):
        if (root / name).is_file():
            link(str(root / name), str(staging / name))
    for part in (STUDENT, EVALUATION):
        if recorded(root / part).get("run") == settings:
            shutil.copytree(root / part, staging / part, copy_function=link)
    write_record(staging / RUN, settings)
    kept = staging.rename(target)
    write_through(kept.parent)
    return kept


def described_settings(folder: Path) -> str:
    """Describe the settings of the model in a folder in a few words; empty where no run recorded them."""
    record = recorded(folder)
    run = record.get("run") or {}
    if not run:
        return ""
    with read_as(folder / RECORD, "is damaged", "remove its folder, and run it again"):
        return _described(record, run)


def _described(record: Settings, run: Settings) -> str:
    if record.get("stage") in _WITHOUT_SELECTION:
        return f"the {_WITHOUT_SELECTION[record['stage']]} of a run with seed = {run['seed']}"
    settings = run["selection"].items()
    # without a budget of milliseconds, the size of a batch has no effect
    unused = {"latency_batch_size"} if run["selection"].get("latency_ms") is None else set()
    selection = {name: value for name, value in settings if value not in (None, {}, [], ()) and name not in unused}
    chosen = ", ".join(f"{name} = {_word(value)}" for name, value in selection.items())
    return f"made with {chosen}, student.architecture = {_word(run['student']['architecture'])}, seed = {run['seed']}"


def _without_evaluation(settings: Settings) -> Settings:
    """Return the settings that a student depends on."""
    return {name: value for name, value in settings.items() if name != "evaluation"}


def _tables(path: Path) -> dict[str, Any]:
    try:
        return checked_object(path)
    except DataError:
        return {}


def _word(value: object) -> str:
    text = "none" if value is None else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
