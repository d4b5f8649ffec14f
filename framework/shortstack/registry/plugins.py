"""Finds plugins, isolates the broken ones, and looks their components up by name."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from importlib.metadata import Distribution, EntryPoint, distributions
from inspect import signature
from types import ModuleType
from typing import Any, Final, Literal, cast, get_args

import attrs
import pluggy

from shortstack import hooks
from shortstack.config.given import Given
from shortstack.config.reader import describe_settings, structure
from shortstack.contracts import (
    DatasetDescriptor,
    Descriptor,
    LossDescriptor,
    ScorerDescriptor,
    StudentDescriptor,
)
from shortstack.errors import ConfigurationError, PluginError, UnknownNameError
from shortstack.registry.given import descriptor_of
from shortstack.registry.isolation import format_error, plugin_errors
from shortstack.registry.source_digest import source_digest
from shortstack.registry.stdout_capture import StdoutCapture
from shortstack.registry.validation import require_protocol

Kind = Literal["scorer", "student", "dataset", "loss"]
Phase = Literal["find", "import", "register", "list"]

GROUP: Final = "shortstack"
CORE: Final = "shortstack"
_NAMELESS: Final = "(without a name)"

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_TITLES: Final[Mapping[Kind, str]] = {
    "scorer": "importance scorer",
    "student": "student architecture",
    "dataset": "dataset adapter",
    "loss": "distillation loss",
}
HOOKS: Final[Mapping[Kind, tuple[str, type[Descriptor]]]] = {
    "scorer": ("shortstack_importance_scorers", ScorerDescriptor),
    "student": ("shortstack_students", StudentDescriptor),
    "dataset": ("shortstack_datasets", DatasetDescriptor),
    "loss": ("shortstack_losses", LossDescriptor),
}
"""The hook that offers each kind, and the descriptors that it yields."""


@attrs.frozen(order=True)
class Origin:
    """Where a plugin comes from.

    Attributes:
        distribution: The installed distribution, for example ``"shortstack"``.
        entry_point: The entry point's name within it.
        version: The distribution's version.
    """

    distribution: str
    entry_point: str
    version: str

    @property
    def id(self) -> str:
        """``distribution:entry_point``, unique in an environment."""
        return f"{self.distribution}:{self.entry_point}"

    @property
    def ids(self) -> frozenset[str]:
        """By which ``SHORTSTACK_PLUGINS`` may name it: its own, and its distribution's, both with the normal name."""
        return frozenset({_normal_id(self.id), _normal_id(self.distribution)})

    def __str__(self) -> str:
        return f"{self.id} {self.version}"


@attrs.frozen(kw_only=True, eq=False)
class Component:
    """One thing that a plugin offers.

    Attributes:
        kind: What sort of thing.
        origin: Whose it is.
        descriptor: What the plugin says about it.
        module: The name of the plugin's module.
    """

    kind: Kind
    origin: Origin
    descriptor: Descriptor
    module: str

    @property
    def full_name(self) -> str:
        """``distribution/name``: what run records store."""
        return f"{self.origin.distribution}/{self.descriptor.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every short name that it answers to."""
        return (self.descriptor.name, *self.descriptor.former_names)

    @property
    def full_names(self) -> tuple[str, ...]:
        """Every full name that it answers to."""
        return tuple(f"{self.origin.distribution}/{name}" for name in self.names)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Its full name, its version, and a hash of its code, which its author edits between versions."""
        return (self.full_name, self.origin.version, source_digest(self.module))

    def __str__(self) -> str:
        return f"{_TITLES[self.kind]} {self.full_name} ({self.origin})"


@attrs.frozen(kw_only=True, eq=False)
class Failure:
    """A plugin that could not be used, and why; the others go on."""

    origin: Origin
    stage: Phase
    error: BaseException

    def __str__(self) -> str:
        return f"{self.origin} failed at {self.stage}: {format_error(self.error)}"


class Registry:
    """A set of plugins and what they offer. A plain object: make as many as you like.

    >>> Registry().components
    ()
    """

    def __init__(self) -> None:
        """Start without any plugin."""
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        self._manager.add_hookspecs(hooks)
        self._components: list[Component] = []
        self._failures: list[Failure] = []
        self._origins: list[Origin] = []
        self._printed: dict[Origin, str] = {}

    @classmethod
    def from_environment(cls) -> "Registry":
        """Every plugin of the installed distributions.

        ``SHORTSTACK_PLUGINS`` (ids, comma-separated) allows only those beside the core's own;
        ``SHORTSTACK_BLOCK_PLUGINS`` leaves some out. An id is ``distribution:entry_point``, or ``distribution`` for all of
        its plugins; a distribution's name may be written in any way that installers take for the same. An id that means
        nothing is a failure.
        """
        allowed, blocked = _ids("SHORTSTACK_PLUGINS"), _ids("SHORTSTACK_BLOCK_PLUGINS") or {}
        registry, found = cls(), dict[Origin, EntryPoint]()
        for name, distribution in _distributions():
            with registry._isolated(Origin(name, "?", "?"), "find"):
                found |= _entry_points(name, distribution)
        # the core comes first, so that whatever a third party breaks breaks after it
        for origin, entry_point in sorted(found.items(), key=lambda pair: (pair[0].distribution != CORE, pair[0])):
            chosen = allowed is None or origin.distribution == CORE or not origin.ids.isdisjoint(allowed)
            if chosen and origin.ids.isdisjoint(blocked):
                registry.load(origin, entry_point.load)
        for variable, named in (("SHORTSTACK_PLUGINS", allowed or {}), ("SHORTSTACK_BLOCK_PLUGINS", blocked)):
            registry._report_unknown(variable, named, found)
        return registry

    def _report_unknown(self, variable: str, named: Mapping[str, str], found: Iterable[Origin]) -> None:
        known = {text for origin in found for text in origin.ids}
        for normal, written in named.items():
            if normal not in known:
                close = get_close_matches(normal, known, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                error = ConfigurationError(f"{variable} names {written!r}, which is not installed{hint}")
                distribution, _, point = written.partition(":")
                self._failures.append(
                    Failure(origin=Origin(distribution, point or "?", "?"), stage="find", error=error)
                )

    @property
    def components(self) -> tuple[Component, ...]:
        """All components, in order of kind, name and origin."""
        return tuple(sorted(self._components, key=lambda c: (KINDS.index(c.kind), c.descriptor.name, c.origin)))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The plugins that could not be used."""
        return tuple(self._failures)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The plugins that are in use."""
        return tuple(sorted(self._origins))

    @property
    def printed(self) -> Mapping[Origin, str]:
        """What plugins printed while they were loaded; standard output never sees it, standard error does."""
        return dict(self._printed)

    def load(self, origin: Origin, importer: Callable[[], object]) -> None:
        """Import a plugin and register it; whatever it raises becomes a ``Failure``, but for Ctrl-C.

        Nothing can be done about a module that ends the process itself (``os._exit``, a crash in C), that never
        returns, or that writes to the file descriptor of standard output.

        Args:
            origin: Where it comes from.
            importer: Returns the plugin module, or the one descriptor that the plugin offers.
        """
        imported: list[object] = []
        with self._isolated(origin, "import"):
            imported.append(importer())
        for found in imported:
            self.register(offering(found) if isinstance(found, Descriptor) else found, origin)

    def register(self, module: object, origin: Origin) -> None:
        """Add a plugin: all of what it offers, or, if anything about it is wrong, nothing.

        Args:
            module: An object with hook implementations.
            origin: Where it comes from.
        """
        with self._isolated(origin, "register", module):
            self._manager.register(module, name=origin.id)
            _require_hooks(self._manager, module)
            with self._isolated(origin, "list", module):
                found = list(self._offered(module, origin))
                _reject_clashes(found, self._components)
                self._components += found
                self._origins.append(origin)

    def beside(self, module: object, origin: Origin) -> "Registry":
        """All that this registry offers and one plugin more; this one stays as it is.

        Args:
            module: An object with hook implementations.
            origin: Where it comes from.
        """
        more = Registry()
        more._components = list(self._components)
        more._failures = list(self._failures)
        more._origins = list(self._origins)
        more._printed = dict(self._printed)
        more.register(module, origin)
        return more

    def find(self, kind: Kind, name: str) -> Component:
        """The component of a kind that goes by a short name (``fisher``) or a full one (``shortstack/fisher``), or that was given.

        The core's own short names win; two third parties with one name must be told apart by full name.

        Raises:
            UnknownNameError: Nothing goes by that name; suggests the nearest.
            ConfigurationError: Several third parties do.
            PluginError: The plugin that the full name points at is broken; the cause is chained.
        """
        if isinstance(name, Given):
            descriptor = descriptor_of(kind, name)
            origin = Origin("python", "given", name.digest[:12])
            return Component(kind=kind, origin=origin, descriptor=descriptor, module="")
        offered = [c for c in self.components if c.kind == kind]
        if "/" in name:
            matches = [c for c in offered if name in c.full_names]
        else:
            matches = [c for c in offered if name in c.names]
            matches = [c for c in matches if c.origin.distribution == CORE] or matches
        if len(matches) > 1:
            full = " or ".join(f"{c.full_name!r} ({c.origin})" for c in matches)
            raise ConfigurationError(f"{_TITLES[kind]} {name!r} is offered more than once; write {full}")
        if not matches:
            raise self._not_found(kind, name, offered)
        return matches[0]

    def build(self, kind: Kind, name: str, settings: object = None) -> Any:
        """Make a component.

        Args:
            kind: What sort of component.
            name: Its short or full name.
            settings: A mapping of its settings, an instance of its config class, or None for the defaults.

        Raises:
            ConfigurationError: A setting is unknown or has a wrong value, or ``find`` failed.
            PluginError: The plugin's own code failed, or what it made is no such component; names its distribution and
                version.
        """
        component = self.find(kind, name)
        config = self.configure(kind, name, settings)
        with plugin_errors(component, "could not be built"):
            built = component.descriptor.build(config)
            require_protocol(kind, built)
            return built

    def configure(self, kind: Kind, name: str, settings: object = None) -> object:
        """The instance of a component's config class that settings mean; see ``build``.

        Raises:
            ConfigurationError: A setting is unknown or has a wrong value, or ``find`` failed.
            PluginError: The plugin's own check of a value failed.
        """
        component = self.find(kind, name)
        with plugin_errors(component, "could not check its settings"):
            config: object = structure(component.descriptor.config, settings, f"{_TITLES[kind]} {name!r}")
            return config

    def _offered(self, module: object, origin: Origin) -> Iterator[Component]:
        others = [plugin for plugin in self._manager.get_plugins() if plugin is not module]
        for kind, (hook, expected) in HOOKS.items():
            for descriptors in self._manager.subset_hook_caller(hook, others)():
                for descriptor in descriptors:
                    if not isinstance(descriptor, expected):
                        raise TypeError(
                            f"{hook} must yield {expected.__name__} objects, got {type(descriptor).__name__}: "
                            f"{descriptor!r:.80}"
                        )
                    describe_settings(descriptor.config)  # what cannot be listed must not break the list of all others
                    yield Component(
                        kind=kind, origin=origin, descriptor=descriptor, module=getattr(module, "__name__", "")
                    )

    @contextmanager
    def _isolated(self, origin: Origin, stage: Phase, module: object = None) -> Iterator[None]:
        """Inside, a third-party plugin may raise and print what it likes; a plugin that raised is discarded and remembered."""
        overheard = StdoutCapture(origin)
        try:
            with redirect_stdout(cast("Any", overheard)):
                yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 -- pytest's outcomes, cancellations and SystemExit among them
            if module is not None and self._manager.is_registered(module):
                self._manager.unregister(module)
            self._failures.append(Failure(origin=origin, stage=stage, error=error))
        finally:
            if overheard.text:
                self._printed[origin] = self._printed.get(origin, "") + overheard.text

    def _not_found(self, kind: Kind, name: str, offered: Sequence[Component]) -> Exception:
        distribution = name.partition("/")[0]
        for failure in self._failures:
            if "/" in name and failure.origin.distribution == distribution:
                error = PluginError(f"{_TITLES[kind]} {name!r} is not available: {failure}")
                error.__cause__ = failure.error
                return error
        unknown = UnknownNameError(
            _TITLES[kind], name, [c.full_name if "/" in name else c.descriptor.name for c in offered]
        )
        for failure in self._failures:
            unknown.add_note(f"a plugin is out of use and may have offered it: {failure}")
        return unknown


def offering(descriptor: Descriptor) -> ModuleType:
    """Make a plugin that offers one component, as if a module had a hook that yields its descriptor."""
    hook = next(hook for hook, cls in HOOKS.values() if isinstance(descriptor, cls))
    plugin = ModuleType(descriptor.build.__module__)
    setattr(plugin, hook, pluggy.HookimplMarker(hooks.PROJECT)(lambda: [descriptor], specname=hook))
    return plugin


def _require_hooks(manager: pluggy.PluginManager, module: object) -> None:
    known = [name for name, _ in HOOKS.values()]
    implemented = {caller.name for caller in manager.get_hookcallers(module) or ()}
    for caller in manager.get_hookcallers(module) or ():
        if caller.name not in known:
            close = get_close_matches(caller.name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"there is no hook {caller.name!r}{hint} (hooks: {', '.join(known)})")
    for name in known:
        if callable(getattr(module, name, None)) and name not in implemented:
            raise TypeError(f"{name!r} is not marked as a hook; write @shortstack.hookimpl above it")
    for name in dir(module):
        if name.startswith(("shortstack_", "short_stack_")) and name not in known and _looks_like_a_hook(module, name):
            close = get_close_matches(name, known, n=1)
            if close:
                raise TypeError(f"{name!r} looks like a misspelt hook; did you mean {close[0]!r}?")
    if not implemented:
        raise TypeError(f"it has no hook, so it offers nothing (hooks: {', '.join(known)})")


def _looks_like_a_hook(module: object, name: str) -> bool:
    value = vars(module).get(name) if hasattr(module, "__dict__") else None
    return callable(value) and not isinstance(value, type) and not signature(value).parameters


def _reject_clashes(found: Iterable[Component], others: Iterable[Component]) -> None:
    """Within one distribution a full name means one component; between distributions the short name may be shared."""
    owners = {(c.kind, name): c for c in others for name in c.full_names}
    for component in found:
        for name in component.full_names:
            other = owners.setdefault((component.kind, name), component)
            if other is not component:
                raise ValueError(
                    f"{_TITLES[component.kind]} {name!r} is offered twice, the first time by {other.origin}"
                )


def _distributions() -> Iterator[tuple[str, Distribution]]:
    """Every distribution with plugins, under its name, once: of two copies on the path only the first can be imported."""
    seen: set[str] = set()
    for distribution in filter(_may_have_plugins, distributions()):
        name = _name(distribution)
        normal = _normal(name)
        if normal not in seen:
            yield name or _NAMELESS, distribution
        if name:
            seen.add(normal)


def _may_have_plugins(distribution: Distribution) -> bool:
    """A cheap look, before the metadata are read; one that is damaged is looked at again."""
    try:
        return any(point.group == GROUP for point in distribution.entry_points)
    except Exception:  # noqa: BLE001 -- as for the name
        return True


def _name(distribution: Distribution) -> str:
    """Its name; empty where a removal that went wrong left none."""
    try:
        metadata: Any = distribution.metadata
        return str(metadata["Name"] or "")
    except Exception:  # noqa: BLE001 -- a file that is missing or damaged, which each Python tells in another way
        return ""


def _entry_points(name: str, distribution: Distribution) -> dict[Origin, EntryPoint]:
    """A distribution's entry points of our group.

    pluggy's own loader registers by entry-point name and drops the second plugin of a name without a word.
    """
    points = [point for point in distribution.entry_points if point.group == GROUP]
    if points and name == _NAMELESS:
        raise ValueError(f"its metadata in {distribution.locate_file('')} are damaged; install it again")
    return {Origin(name, point.name, str(distribution.version)): point for point in points}


def _ids(variable: str) -> dict[str, str] | None:
    """Normal id → as it was written; None where the variable is not set."""
    text = os.environ.get(variable)
    if text is None:
        return None
    return {_normal_id(part.strip()): part.strip() for part in text.split(",") if part.strip()}


def _normal_id(text: str) -> str:
    """An id whose distribution's name is in the form of PEP 503: ``My_Plugin:x`` is ``my-plugin:x``."""
    distribution, separator, point = text.partition(":")
    return f"{_normal(distribution)}{separator}{point}"


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
