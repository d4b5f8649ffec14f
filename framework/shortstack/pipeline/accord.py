"""What the processes of a run must have in common before any work: settings, package versions, and the folder."""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from shortstack.config.writer import unstructure
from shortstack.errors import ConfigurationError, RunFolderError
from shortstack.processes import World
from shortstack.run_layout import MARK

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.registry import Registry

SHOWN_WITHIN: Final = 10.0
"""Seconds within which a shared file system shows a file to every machine."""

_PACKAGES: Final = ("shortstack", "torch", "transformers", "accelerate", "safetensors", "numpy")


def require_alike(world: World, run: "RunConfig", registry: "Registry") -> None:
    """Raise, in the first process, if another one has other settings, versions of packages, or plugins.

    Raises:
        ConfigurationError: One differs; names the process and what differs.
        OtherProcessError: The first process has raised that.
    """
    if world.size == 1:
        return
    everyone = world.gather(_identity(run, registry))
    world.first(partial(_compare, everyone))


def _identity(run: "RunConfig", registry: "Registry") -> dict[str, str]:
    """Return what must be equal in all processes, by a name for messages."""
    settings = json.dumps(unstructure(run), sort_keys=True, default=str)
    plugins = {f"the plugin {one.full_name}": one.origin.version for one in registry.components}
    packages = {f"the package {name}": version(name) for name in _PACKAGES}
    return {**packages, **plugins, "the settings": f"digest {hashlib.sha256(settings.encode()).hexdigest()[:12]}"}


def _compare(everyone: Sequence[Mapping[str, str]]) -> None:
    first = everyone[0]
    for rank, other in enumerate(everyone):
        for name in dict.fromkeys([*first, *other]):
            ours, theirs = first.get(name, "missing"), other.get(name, "missing")
            if ours != theirs:
                raise ConfigurationError(
                    f"the processes of a run must agree, and {name} differs: {ours} in process 0, {theirs} in process {rank}; "
                    "start all of them with the same file, options and environment"
                )


def require_shared(world: World, root: Path) -> None:
    """Raise unless every process sees the run's folder as the first one does.

    Raises:
        RunFolderError: This process does not see what the first one wrote.
    """
    if world.size == 1:
        return
    mark = world.first(partial(_mark, root / MARK))
    seen = _is_shown(root / MARK, mark)
    everyone = world.gather(seen)
    if world.is_first:
        (root / MARK).unlink()
    if not all(everyone):
        lacking = [str(rank) for rank, sees in enumerate(everyone) if not sees]
        world.first(partial(_refuse, root, lacking))


def _mark(path: Path) -> str:
    mark = uuid.uuid4().hex
    path.write_text(mark, encoding="utf-8")
    return mark


def _is_shown(path: Path, mark: str) -> bool:
    """Return whether a file has this content, or will have it soon: network file systems show a new file late."""
    end = monotonic() + SHOWN_WITHIN
    while not (path.is_file() and path.read_text(encoding="utf-8") == mark):
        if monotonic() > end:
            return False
        sleep(0.2)
    return True


def _refuse(root: Path, lacking: Sequence[str]) -> None:
    raise RunFolderError(
        f"{root} is another folder in process {', '.join(lacking)} than in process 0; name one that is on a file system which all "
        "machines share"
    )
