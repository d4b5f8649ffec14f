"""The component under test, found by name or descriptor: its declaration, its traits, and how to build a fresh one."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import attrs

from shortstack.config.reader import structure
from shortstack.config.resolve import attribute_named, named_class
from shortstack.contracts import Descriptor, LossDescriptor
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.registry import HOOKS, KINDS, Kind, Origin, Registry
from shortstack.registry.plugin_hooks import offering
from shortstack.selection.selector import STRATEGIES, strategy_named

UNDER_TEST = Origin("under-test", "kit", "0")
"""Origin of a descriptor that no entry point offers."""


@attrs.frozen(kw_only=True, eq=False)
class Subject:
    """A component under test.

    Attributes:
        kind: Kind of component.
        name: Its full name in ``registry``.
        descriptor: The descriptor that declares it.
        declared: The properties that its declaration claims.
        settings: Its settings, by name.
        registry: Registry in which it and all else is looked up.
        given: The name or descriptor as the caller passed it.
    """

    kind: Literal["scorer", "student", "dataset", "loss", "strategy"]
    name: str
    descriptor: Descriptor
    declared: Any
    settings: Mapping[str, object]
    registry: Registry
    given: str | Descriptor

    @property
    def traits(self) -> Any:
        """The properties that it claims, with its settings."""
        if not isinstance(self.descriptor, LossDescriptor):
            return self.declared
        return self.descriptor.traits_with(structure(self.descriptor.config, self.settings, self.name))

    @property
    def written(self) -> tuple[str, str]:
        """Python expression for the component, and the import that it needs, for snippets."""
        return (repr(self.given), "") if isinstance(self.given, str) else _written(self.given)

    def build(self) -> Any:
        """Return a fresh component.

        Raises:
            PluginError: The component's own code failed.
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
    """Return the component that a name or a descriptor refers to.

    Args:
        component: A short or full name, ``module:attribute``, or a descriptor.
        kind: Kind of component; needed only where a name is used for several.
        settings: Its settings.
        registry: Where names are looked up; the environment's plugins by default.

    Raises:
        UnknownNameError: No component has that name.
        ConfigurationError: Several kinds have a component of that name, it is no component, or a setting is wrong.
        PluginError: The plugin that offers it is broken, or what it builds is no such component.
    """
    subject = _subject(component, kind, settings or {}, registry or Registry.from_environment())
    subject.build()  # report a component that cannot be built, or lacks a method, once and not for every law
    return subject


def settings_class(name: str, kind: Literal["scorer", "student", "dataset", "loss", "strategy"]) -> type:
    """Return the class of the settings of the component that a name refers to.

    Args:
        name: A short or full name, or ``module:attribute``.
        kind: Kind of component.

    Raises:
        UnknownNameError: No component has that name.
        ConfigurationError: There is nothing to import, or it is no component.
        PluginError: The plugin that offers it is broken.
    """
    if kind == "strategy":
        return named_class("strategy", name, STRATEGIES)
    if ":" in name:
        return _imported(name).config
    return Registry.from_environment().find(kind, name).descriptor.config


def _subject(component: object, kind: str | None, settings: Mapping[str, object], registry: Registry) -> Subject:
    if isinstance(component, Descriptor):
        return _described(component, settings, registry)
    if not isinstance(component, str):
        raise ConfigurationError(f"a component is a name or a descriptor, got {component!r:.80}")
    if kind == "strategy":
        return _strategy(component, settings, registry)
    if ":" in component:
        return attrs.evolve(_described(_imported(component), settings, registry), given=component)
    offered = registry.find(_kind(component, kind, registry), component)
    descriptor: Any = offered.descriptor
    return Subject(
        kind=offered.kind,
        name=offered.full_name,
        descriptor=descriptor,
        declared=descriptor.traits,
        settings=settings,
        registry=registry,
        given=component,
    )


def _strategy(name: str, settings: Mapping[str, object], registry: Registry) -> Subject:
    """Return the strategy of a name, or of ``module:attribute``.

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
        declared=strategy.keeps,
        settings=settings,
        registry=registry,
        given=name,
    )


def _imported(path: str) -> Descriptor:
    """Return the descriptor that ``module:attribute`` names, before it is installed as a plugin.

    Raises:
        ConfigurationError: There is nothing to import, or it is no descriptor.
    """
    imported = attribute_named("component", path)
    if not isinstance(imported, Descriptor):
        raise ConfigurationError(f"component {path!r} must be a descriptor, got {imported!r:.80}")
    return imported


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
    """Return the subject of a descriptor that may not be installed, registered as a plugin beside all others."""
    kind = next(kind for kind, (_, cls) in HOOKS.items() if isinstance(descriptor, cls))
    beside = registry.beside(offering(descriptor), UNDER_TEST)
    # kinds of descriptors share no base class that declares traits
    declared: Any = descriptor
    return Subject(
        kind=kind,
        name=f"{UNDER_TEST.distribution}/{descriptor.name}",
        descriptor=descriptor,
        declared=declared.traits,
        settings=settings,
        registry=beside,
        given=descriptor,
    )


def place_of(descriptor: Descriptor) -> tuple[str, str] | None:
    """Return the loaded module that holds a descriptor, and its name there; None if there is none."""
    return next(places_of(descriptor), None)


def places_of(descriptor: Descriptor) -> Iterator[tuple[str, str]]:
    """Yield all loaded modules that hold a descriptor, with its name there."""
    for place, module in list(sys.modules.items()):
        for name, value in list(vars(module).items()) if module and not place.startswith("__") else ():
            if value is descriptor and name.isidentifier():
                yield place, name


def _written(descriptor: Descriptor) -> tuple[str, str]:
    place = place_of(descriptor)
    if place is None:
        return "descriptor", f"descriptor = ...  # the descriptor named {descriptor.name!r}"
    return place[1], f"from {place[0]} import {place[1]}"
