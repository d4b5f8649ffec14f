"""Run a component in a fresh Python process: another hash salt, time zone, locale and working directory."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from shortstack.contracts import Descriptor
from shortstack.registry import Registry
from shortstack.testing.law import Condition
from shortstack.testing.subject import Subject, places_of, subject_of
from shortstack.testing.trials import one_thread

OTHER: Final = {
    "TZ": "NPT-5:45",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
}
"""Environment of that process: a time zone of a quarter of an hour, and ASCII as the default encoding of files."""

SALTS: Final = ("20117", "30011")
"""Values of ``PYTHONHASHSEED``; the second is used where the first is this process's own."""

_CODE: Final = "import sys; from shortstack.testing.other_process import answer; answer(sys.argv[1])"


def asked_elsewhere(
    subject: Subject, ask: Callable[[Subject, Sequence[int]], list[str]], order: Sequence[int]
) -> list[str]:
    """Return the answers of another Python process.

    Args:
        subject: The component under test, which that process must be able to import: see ``FINDABLE``.
        ask: A module-level function, ``(subject, order) → one answer per question``; questions go by their number.
        order: The order in which the questions are put.

    Raises:
        AssertionError: The process failed; the message holds its error.
    """
    with TemporaryDirectory(prefix="shortstack-") as folder:
        job = Path(folder, "job.json")
        job.write_text(json.dumps(_job(subject, ask, order)), encoding="ascii")
        salt = next(salt for salt in SALTS if salt != os.environ.get("PYTHONHASHSEED"))
        done = subprocess.run(  # noqa: S603 -- this Python and our own code
            [sys.executable, "-c", _CODE, str(job)],
            cwd=folder,
            env={**os.environ, **OTHER, "PYTHONHASHSEED": salt, "PYTHONPATH": os.pathsep.join(_search_path())},
            capture_output=True,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise AssertionError(f"in another process it ends with an error: {lines[-1] if lines else done.returncode}")
        answers: list[str] = json.loads(job.with_suffix(".answers").read_text(encoding="ascii"))
    return answers


def answer(job: str) -> None:
    """Answer the questions in a job file; the entry point of the other process."""
    fields = json.loads(Path(job).read_text(encoding="ascii"))
    component = _member(fields["component"]) if fields["imported"] else fields["component"]
    subject = subject_of(component, fields["kind"], fields["settings"])
    with one_thread():
        answers = _member(fields["ask"])(subject, fields["order"])
    Path(job).with_suffix(".answers").write_text(json.dumps(answers), encoding="ascii")


def _findable(subject: Subject) -> bool:
    """Return True if another Python can get the component: by an installed name or by importing its module."""
    if isinstance(subject.given, Descriptor):
        return _importable(subject.given) is not None
    if subject.kind == "strategy":
        return True
    if isinstance(subject.given, str) and ":" in subject.given:
        return _can_be_imported(subject.given.partition(":")[0])
    installed = [c.descriptor for c in Registry.from_environment().components]
    return any(descriptor is subject.descriptor for descriptor in installed)


FINDABLE: Final = Condition(words="another process finds it by its name or in a module", holds=_findable)


def _importable(descriptor: Descriptor) -> tuple[str, str] | None:
    """Return the first module that holds a descriptor and that another process can import, and its name there."""
    return next((place for place in places_of(descriptor) if _can_be_imported(place[0])), None)


def _can_be_imported(module: str) -> bool:
    """Return True if the import system finds a module; one that is only in ``sys.modules`` does not count."""
    parts, places = module.split("."), None
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        spec = next((spec for finder in sys.meta_path if (spec := finder.find_spec(name, places)) is not None), None)
        if spec is None:
            return False
        places = spec.submodule_search_locations
    return True


def _job(subject: Subject, ask: Callable[..., Any], order: Sequence[int]) -> dict[str, Any]:
    place = _importable(subject.given) if isinstance(subject.given, Descriptor) else None
    return {
        "component": ":".join(place) if place else subject.given,
        "imported": place is not None,
        "kind": subject.kind,
        "settings": dict(subject.settings),
        # by name, not pickled: the other process must import the component itself
        "ask": f"{ask.__module__}:{ask.__qualname__}",
        "order": list(order),
    }


def _member(path: str) -> Any:
    """Return the object that ``module:name`` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _search_path() -> list[str]:
    """Return ``sys.path`` with absolute paths, which hold in any working directory."""
    return [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 -- '' is the working directory
