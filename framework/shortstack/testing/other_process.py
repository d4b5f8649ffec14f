"""Questions put to a component in a fresh Python: another hash salt, time zone, locale and working directory."""

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
from shortstack.testing.subject import Subject, place_of, subject_of
from shortstack.testing.trials import one_thread

OTHER: Final = {
    "TZ": "NPT-5:45",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
}
"""What the environment says there: a time zone of a quarter of an hour, and files that are ASCII unless told otherwise."""

SALTS: Final = ("20117", "30011")
"""Of ``hash``: the second where the first is this process's own."""

_CODE: Final = "import sys; from shortstack.testing.other_process import answer; answer(sys.argv[1])"


def asked_elsewhere(
    subject: Subject, ask: Callable[[Subject, Sequence[int]], list[str]], order: Sequence[int]
) -> list[str]:
    """What another Python answers.

    Args:
        subject: The component under test, which that Python has to find: see ``FINDABLE``.
        ask: A function of a module, ``(subject, order) → one answer a question``; questions are known by their number.
        order: In which order they are put.

    Raises:
        AssertionError: It ended with an error; says which.
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
    """Answer the questions of a file: what the other Python does."""
    given = json.loads(Path(job).read_text(encoding="ascii"))
    component = _member(given["component"]) if given["imported"] else given["component"]
    subject = subject_of(component, given["kind"], given["settings"])
    with one_thread():
        answers = _member(given["ask"])(subject, given["order"])
    Path(job).with_suffix(".answers").write_text(json.dumps(answers), encoding="ascii")


def _findable(subject: Subject) -> bool:
    """Whether another Python finds the component: by an installed name, or in a module that can be imported."""
    if isinstance(subject.given, Descriptor):
        place = place_of(subject.given)
        return place is not None and _can_be_imported(place[0])
    if subject.kind == "strategy":
        return True
    installed = [c.descriptor for c in Registry.from_environment().components]
    return any(descriptor is subject.descriptor for descriptor in installed)


FINDABLE: Final = Condition(words="another process finds it by its name or in a module", holds=_findable)


def _can_be_imported(module: str) -> bool:
    """Whether a module is found where modules are looked for, not only among those that are loaded."""
    parts, places = module.split("."), None
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        spec = next((spec for finder in sys.meta_path if (spec := finder.find_spec(name, places)) is not None), None)
        if spec is None:
            return False
        places = spec.submodule_search_locations
    return True


def _job(subject: Subject, ask: Callable[..., Any], order: Sequence[int]) -> dict[str, Any]:
    place = place_of(subject.given) if isinstance(subject.given, Descriptor) else None
    return {
        "component": ":".join(place) if place else subject.given,
        "imported": place is not None,
        "kind": subject.kind,
        "settings": dict(subject.settings),
        "ask": f"{ask.__module__}:{ask.__qualname__}",
        "order": list(order),
    }


def _member(path: str) -> Any:
    """What ``module:name`` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _search_path() -> list[str]:
    """Where this Python looks for modules, wherever it stands."""
    return [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 -- '' is the working directory
