"""Scaffolding of a new plugin: a complete distribution whose tests pass."""

import shlex
from pathlib import Path

import attrs

from shortstack.registry import Kind, Registry
from shortstack.scaffold.names import Names, free_names
from shortstack.scaffold.rendering import rendered
from shortstack.scaffold.writing import write_all

__all__ = ["NewPlugin", "new_plugin"]


@attrs.frozen(kw_only=True)
class NewPlugin:
    """A plugin that was written.

    Attributes:
        names: Its names.
        folder: Its folder.
    """

    names: Names
    folder: Path

    @property
    def next_steps(self) -> str:
        """The next commands to run, for a terminal."""
        kind, component = self.names.kind, self.names.component
        return (
            f"{self.folder} holds the distribution {self.names.distribution} with the {kind} {component!r}; next:\n"
            f"    cd {shlex.quote(str(self.folder))}\n"
            "    pip install --editable '.[testing]'\n"
            "    pytest\n"
            f"    shortstack list {kind}\n"
            f"    shortstack check {kind} {component}"
        )


def new_plugin(kind: Kind, name: str, folder: Path | None = None, *, registry: Registry | None = None) -> NewPlugin:
    """Write a distribution with one component, its tests, a README and a CI workflow.

    Args:
        kind: Kind of the component.
        name: The component's name: lower-case words joined by ``-``.
        folder: A new or empty folder; by default ``shortstack-NAME`` in the current one.
        registry: The plugins whose names are taken; by default those of this environment.

    Raises:
        ConfigurationError: The name is no component's name or is taken, or the folder is not empty.
    """
    names = free_names(kind, name, registry or Registry.from_environment())
    target = Path(names.distribution) if folder is None else folder
    write_all(target, rendered(names))
    return NewPlugin(names=names, folder=target)
