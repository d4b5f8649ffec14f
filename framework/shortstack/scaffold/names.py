"""Names of a new distribution, derived from a component's name, and a check that they are free."""

import re
from importlib.util import find_spec

import attrs

from shortstack.contracts import Descriptor
from shortstack.errors import ConfigurationError
from shortstack.registry import CORE, Kind, Registry

_PREFIX = f"{CORE}-"


@attrs.frozen(kw_only=True)
class Names:
    """The names of a new plugin.

    Attributes:
        kind: Kind of the component that it offers.
        component: The component's name, which is also its entry point's.

    >>> names = Names(kind="scorer", component="my-scorer")
    >>> names.distribution, names.package, names.camel
    ('shortstack-my-scorer', 'shortstack_my_scorer', 'MyScorer')
    """

    kind: Kind
    component: str

    @property
    def distribution(self) -> str:
        """Name of the distribution, ``shortstack-NAME``; the prefix distinguishes it from packages that are no plugins."""
        return f"{_PREFIX}{self.component}"

    @property
    def package(self) -> str:
        """Name of the import package, ``shortstack_name``; with the prefix it is no keyword or standard-library module."""
        return self.distribution.replace("-", "_")

    @property
    def camel(self) -> str:
        """Stem of class names, ``Name``."""
        return "".join(word.capitalize() for word in self.component.split("-"))


def free_names(kind: Kind, component: str, registry: Registry) -> Names:
    """Return the names of a new plugin.

    Args:
        kind: Kind of the component.
        component: Its name.
        registry: The existing plugins.

    Raises:
        ConfigurationError: The name is not well-formed, or it is taken.
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
        # the descriptor's own validator decides which names are allowed
        Descriptor(name=component, summary="new", build=str)
    except ValueError as error:
        near = _nearest(component)
        raise ConfigurationError(f"{error}{f'; did you mean {near!r}?' if near else ''}") from error


def _nearest(text: str) -> str:
    """Return a well-formed name that resembles a text; empty if there is none.

    >>> _nearest("MyScorer 2")
    'my-scorer-2'
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text).lower()
    return re.sub(r"[^a-z0-9]+", "-", apart).lstrip("-0123456789").rstrip("-")
