"""From a component's name to all names of a new distribution, and whether they are free."""

import re
from importlib.util import find_spec

import attrs

from shortstack.contracts import Descriptor
from shortstack.errors import ConfigurationError
from shortstack.registry import CORE, Kind, Registry

_PREFIX = f"{CORE}-"


@attrs.frozen(kw_only=True)
class Names:
    """What a new plugin is called.

    Attributes:
        kind: What sort of component it offers.
        component: The component's name, which is also its entry point's.
    """

    kind: Kind
    component: str

    @property
    def distribution(self) -> str:
        """``shortstack-NAME``: what is installed; the prefix keeps it apart from all that is no plugin."""
        return f"{_PREFIX}{self.component}"

    @property
    def package(self) -> str:
        """``shortstack_name``: what is imported; with its prefix no keyword, and no module of the standard library."""
        return self.distribution.replace("-", "_")

    @property
    def camel(self) -> str:
        """``Name``: for classes."""
        return "".join(word.capitalize() for word in self.component.split("-"))


def free_names(kind: Kind, component: str, registry: Registry) -> Names:
    """The names of a new plugin.

    Args:
        kind: What sort of component.
        component: Its name.
        registry: The plugins that are there already.

    Raises:
        ConfigurationError: It is no name for a component, or it is taken.
    """
    _require_well_formed(component)
    if component.startswith(_PREFIX):
        short = component.removeprefix(_PREFIX)
        raise ConfigurationError(
            f"the distribution of {short!r} will be called {component!r} anyway; give the {kind} the name {short!r}"
        )
    for other in registry.components:
        if other.kind == kind and component in other.names:
            raise ConfigurationError(
                f"{other.origin} already offers a {kind} named {component!r}, and users could not tell the two apart; "
                "choose another name"
            )
    names = Names(kind=kind, component=component)
    if find_spec(names.package) is not None:
        raise ConfigurationError(
            f"the import package of {component!r} would be {names.package}, which is already installed; "
            "choose another name"
        )
    return names


def _require_well_formed(component: str) -> None:
    try:
        Descriptor(name=component, summary="new", build=str)
    except ValueError as error:
        near = _nearest(component)
        raise ConfigurationError(f"{error}{f'; did you mean {near!r}?' if near else ''}") from error


def _nearest(text: str) -> str:
    """A well-formed name that looks like this text; empty if there is none."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text).lower()
    return re.sub(r"[^a-z0-9]+", "-", apart).lstrip("-0123456789").rstrip("-")
