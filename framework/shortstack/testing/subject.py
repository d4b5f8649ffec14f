"""The component under test, however it was named: what it is, what it promises, and how to make a fresh one."""

import sys
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from shortstack.config.resolve import attribute_named
from shortstack.contracts import Descriptor
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.registry import HOOKS, KINDS, Kind, Origin, Registry
from shortstack.registry.plugins import offering
from shortstack.selection.selector import strategy_named

UNDER_TEST = Origin("under-test", "kit", "0")
"""Where a descriptor comes from that no entry point offers."""


@attrs.frozen(kw_only=True, eq=False)
class Subject:
    """A component under test.

    Attributes:
        kind: What sort of component.
        name: The name by which ``registry`` knows it, a full one.
        descriptor: What it declares.
        traits: What it promises.
        settings: Its settings, by name.
        registry: Where it and everything else is looked up.
        given: The name or descriptor that it was asked for by.
    """

    kind: Literal["scorer", "student", "dataset", "loss", "strategy"]
    name: str
    descriptor: Descriptor
    traits: Any
    settings: Mapping[str, object]
    registry: Registry
    given: str | Descriptor

    @property
    def written(self) -> tuple[str, str]:
        """A Python expression for it, and the import that the expression needs, for snippets."""
        return (repr(self.given), "") if isinstance(self.given, str) else _written(self.given)

    def build(self) -> Any:
        """A fresh component.

        Raises:
            PluginError: Its own code failed.
        """
        if self.kind == "strategy":
            return self.descriptor.build(self.settings)
        return self.registry.build(self.kind, self.name, self.settings)


def subject_of(
    component: object,
    kind: str | None = None,
    settings: Mapping[str, object] | None = None,
    registry: Registry | None = None,
) -> Subject:
    """The component that a name or a descriptor means.

    Args:
        component: A short or full name, ``module:attribute``, or a descriptor.
        kind: What sort; needed only where a name is used for several.
        settings: Its settings.
        registry: Where names are looked up; the environment's plugins by default.

    Raises:
        UnknownNameError: Nothing goes by that name.
        ConfigurationError: Several kinds have a component of that name, it is no component at all, or a setting is wrong.
        PluginError: The plugin that offers it is broken, or what it builds is no such component.
    """
    subject = _subject(component, kind, settings or {}, registry or Registry.from_environment())
    subject.build()  # what cannot be built, or lacks a method, is told once and not by every law
    return subject


def _subject(component: object, kind: str | None, settings: Mapping[str, object], registry: Registry) -> Subject:
    if isinstance(component, Descriptor):
        return _described(component, settings, registry)
    if not isinstance(component, str):
        raise ConfigurationError(f"a component is a name or a descriptor, got {component!r:.80}")
    if kind == "strategy":
        return _strategy(component, settings, registry)
    if ":" in component:
        return attrs.evolve(_described(_imported(component), settings, registry), given=component)
    found = registry.find(_kind(component, kind, registry), component)
    descriptor: Any = found.descriptor
    return Subject(
        kind=found.kind,
        name=found.full_name,
        descriptor=descriptor,
        traits=descriptor.traits,
        settings=settings,
        registry=registry,
        given=component,
    )


def _strategy(name: str, settings: Mapping[str, object], registry: Registry) -> Subject:
    """The strategy of a name, or of ``module:attribute``.

    Raises:
        UnknownNameError: There is no such strategy or setting.
        ConfigurationError: A setting is wrong, or it is no strategy.
    """
    strategy = strategy_named(name, settings)
    descriptor = Descriptor(
        name=strategy.name,
        summary=(type(strategy).__doc__ or strategy.name).partition("\n")[0],
        build=lambda given: strategy_named(name, given),
        config=type(strategy),
    )
    return Subject(
        kind="strategy",
        name=name,
        descriptor=descriptor,
        traits=strategy.keeps,
        settings=settings,
        registry=registry,
        given=name,
    )


def _imported(path: str) -> Descriptor:
    """The descriptor that ``module:attribute`` names, before it is installed as a plugin.

    Raises:
        ConfigurationError: There is nothing to import, or it is no descriptor.
    """
    found = attribute_named("component", path)
    if not isinstance(found, Descriptor):
        raise ConfigurationError(f"component {path!r} must be a descriptor, got {found!r:.80}")
    return found


def _kind(name: str, kind: str | None, registry: Registry) -> Kind:
    if kind is not None:
        for known in KINDS:
            if kind == known:
                return known
        raise UnknownNameError("kind of component", kind, [*KINDS, "strategy"])
    offering = {c.kind for c in registry.components if name in {c.full_name, *c.names}}
    if len(offering) > 1:
        raise ConfigurationError(f"{name!r} is the name of a {' and of a '.join(sorted(offering))}; say which kind")
    if not offering:
        raise UnknownNameError("component", name, [c.descriptor.name for c in registry.components])
    return offering.pop()


def _described(descriptor: Descriptor, settings: Mapping[str, object], registry: Registry) -> Subject:
    """A descriptor that may not be installed: offered by a plugin of its own, beside all others."""
    kind = next(kind for kind, (_, cls) in HOOKS.items() if isinstance(descriptor, cls))
    beside = registry.beside(offering(descriptor), UNDER_TEST)
    found: Any = descriptor
    return Subject(
        kind=kind,
        name=f"{UNDER_TEST.distribution}/{descriptor.name}",
        descriptor=descriptor,
        traits=found.traits,
        settings=settings,
        registry=beside,
        given=descriptor,
    )


def place_of(descriptor: Descriptor) -> tuple[str, str] | None:
    """The module that names a descriptor, among those that are loaded, and the name; None if there is none."""
    for place, module in list(sys.modules.items()):
        for name, value in list(vars(module).items()) if module and not place.startswith("__") else ():
            if value is descriptor and name.isidentifier():
                return place, name
    return None


def _written(descriptor: Descriptor) -> tuple[str, str]:
    place = place_of(descriptor)
    if place is None:
        return "descriptor", f"descriptor = ...  # the descriptor named {descriptor.name!r}"
    return place[1], f"from {place[0]} import {place[1]}"
