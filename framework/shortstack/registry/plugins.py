"""Discover plugins, isolate broken ones, and look their components up by name."""

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
from shortstack.config.descriptions import describe_settings
from shortstack.config.given import Given
from shortstack.config.reader import structure
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
"""Hook of each kind, and the class of the descriptors that it yields."""


@attrs.frozen(order=True)
class Origin:
    """Origin of a plugin.

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
        """Ids by which ``SHORTSTACK_PLUGINS`` may name it: its own and its distribution's, also normalised."""
        return frozenset({_normal_id(self.id), _normal_id(self.distribution)})

    def __str__(self) -> str:
        return f"{self.id} {self.version}"


@attrs.frozen(kw_only=True, eq=False)
class Component:
    """Component that a plugin offers.

    Attributes:
        kind: Kind of component.
        origin: The plugin that offers it.
        descriptor: The plugin's declaration of it.
        module: The name of the plugin's module.
    """

    kind: Kind
    origin: Origin
    descriptor: Descriptor
    module: str

    @property
    def full_name(self) -> str:
        """``distribution/name``, as stored in run records."""
        return f"{self.origin.distribution}/{self.descriptor.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every short name of the component, former ones included."""
        return (self.descriptor.name, *self.descriptor.former_names)

    @property
    def full_names(self) -> tuple[str, ...]:
        """Every full name of the component, former ones included."""
        return tuple(f"{self.origin.distribution}/{name}" for name in self.names)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Full name, version, and a hash of the code, which its author may edit between versions."""
        return (self.full_name, self.origin.version, source_digest(self.module))

    def __str__(self) -> str:
        return f"{_TITLES[self.kind]} {self.full_name} ({self.origin})"


@attrs.frozen(kw_only=True, eq=False)
class Failure:
    """Plugin that could not be used, and why; the others are unaffected."""

    origin: Origin
    stage: Phase
    error: BaseException

    def __str__(self) -> str:
        return f"{self.origin} failed at {self.stage}: {format_error(self.error)}"


class Registry:
    """Set of plugins and the components they offer. A plain object: make as many as you like.

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
        """Return a registry of every plugin of the installed distributions.

        ``SHORTSTACK_PLUGINS`` (ids, comma-separated) allows only those beside the core's own;
        ``SHORTSTACK_BLOCK_PLUGINS`` excludes some. An id is ``distribution:entry_point``, or ``distribution`` for all
        its plugins; a distribution's name may be written in any form that installers treat as equal. An unknown id
        is a failure.
        """
        allowed, blocked = _ids("SHORTSTACK_PLUGINS"), _ids("SHORTSTACK_BLOCK_PLUGINS") or {}
        registry, entry_points = cls(), dict[Origin, EntryPoint]()
        for name, distribution in _distributions():
            with registry._isolated(Origin(name, "?", "?"), "find"):
                entry_points |= _entry_points(name, distribution)
        # the core comes first: it must be registered before a third party can break anything
        for origin, entry_point in sorted(
            entry_points.items(), key=lambda pair: (pair[0].distribution != CORE, pair[0])
        ):
            chosen = allowed is None or origin.distribution == CORE or not origin.ids.isdisjoint(allowed)
            if chosen and origin.ids.isdisjoint(blocked):
                registry.load(origin, entry_point.load)
        for variable, named in (("SHORTSTACK_PLUGINS", allowed or {}), ("SHORTSTACK_BLOCK_PLUGINS", blocked)):
            registry._report_unknown(variable, named, entry_points)
        return registry

    def _report_unknown(self, variable: str, named: Mapping[str, str], installed: Iterable[Origin]) -> None:
        known = {text for origin in installed for text in origin.ids}
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
        """Plugins that could not be used."""
        return tuple(self._failures)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Plugins that are in use."""
        return tuple(sorted(self._origins))

    @property
    def printed(self) -> Mapping[Origin, str]:
        """Output of plugins while they were loaded, which went to standard error instead of standard output."""
        return dict(self._printed)

    def load(self, origin: Origin, importer: Callable[[], object]) -> None:
        """Import a plugin and register it; any exception it raises becomes a ``Failure``, except Ctrl-C.

        There is no protection against a module that ends the process itself (``os._exit``, a crash in C), that never
        returns, or that writes to the file descriptor of standard output.

        Args:
            origin: Where it comes from.
            importer: Returns the plugin module, or the one descriptor that the plugin offers.
        """
        imported: list[object] = []
        with self._isolated(origin, "import"):
            imported.append(importer())
        for plugin in imported:
            self.register(offering(plugin) if isinstance(plugin, Descriptor) else plugin, origin)

    def register(self, module: object, origin: Origin) -> None:
        """Add a plugin: all that it offers or, if anything about it is wrong, nothing.

        Args:
            module: An object with hook implementations.
            origin: Where it comes from.
        """
        with self._isolated(origin, "register", module):
            self._manager.register(module, name=origin.id)
            _require_hooks(self._manager, module)
            with self._isolated(origin, "list", module):
                components = list(self._offered(module, origin))
                _reject_clashes(components, self._components)
                self._components += components
                self._origins.append(origin)

    def beside(self, module: object, origin: Origin) -> "Registry":
        """Return a registry with this one's plugins and one more, without changing this one.

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
        """Return the component of a kind by short name (``fisher``) or full name (``shortstack/fisher``), or as given.

        The core's own short names take precedence; two third parties' components of one name need the full name.

        Raises:
            UnknownNameError: No component has that name; the message suggests the nearest.
            ConfigurationError: Several third parties offer that name.
            PluginError: The plugin that the full name points at is broken; the cause is chained.
        """
        if isinstance(name, Given):
            descriptor = descriptor_of(kind, name)
            # the digest serves as the version: another object is another component
            origin = Origin("python", "given", name.digest[:12])
            return Component(kind=kind, origin=origin, descriptor=descriptor, module="")
        offered = [c for c in self.components if c.kind == kind]
        if "/" in name:
            matches = [c for c in offered if _normal_full(name) in map(_normal_full, c.full_names)]
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
        """Build a component.

        Args:
            kind: Kind of component.
            name: Its short or full name.
            settings: A mapping of its settings, an instance of its config class, or None for the defaults.

        Raises:
            ConfigurationError: A setting is unknown or has a wrong value, or ``find`` failed.
            PluginError: The plugin's own code failed, or its result is not such a component; the message names its
                distribution and version.
        """
        component = self.find(kind, name)
        config = self.configure(kind, name, settings)
        with plugin_errors(component, "could not be built"):
            built = component.descriptor.build(config)
            require_protocol(kind, built)
            return built

    def configure(self, kind: Kind, name: str, settings: object = None) -> object:
        """Return an instance of a component's config class from settings; see ``build``.

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
                    # fail now: a component that cannot be listed would break every listing
                    describe_settings(descriptor.config)
                    yield Component(
                        kind=kind, origin=origin, descriptor=descriptor, module=getattr(module, "__name__", "")
                    )

    @contextmanager
    def _isolated(self, origin: Origin, stage: Phase, module: object = None) -> Iterator[None]:
        """Within the context, a third-party plugin may raise and print; one that raised is discarded and recorded."""
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
            if "/" in name and _normal(failure.origin.distribution) == _normal(distribution):
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


def _reject_clashes(components: Iterable[Component], others: Iterable[Component]) -> None:
    """Raise if a full name means two components; different distributions may share a short name."""
    owners = {(c.kind, name): c for c in others for name in c.full_names}
    for component in components:
        for name in component.full_names:
            other = owners.setdefault((component.kind, name), component)
            if other is not component:
                raise ValueError(
                    f"{_TITLES[component.kind]} {name!r} is offered twice, the first time by {other.origin}"
                )


def _distributions() -> Iterator[tuple[str, Distribution]]:
    """Yield each distribution with plugins once, with its name: of two copies on the path the first is imported."""
    seen: set[str] = set()
    for distribution in filter(_may_have_plugins, distributions()):
        name = _name(distribution)
        normal = _normal(name)
        if normal not in seen:
            yield name or _NAMELESS, distribution
        if name:
            seen.add(normal)


def _may_have_plugins(distribution: Distribution) -> bool:
    """Return False if a distribution has no plugins: a cheap check, True for damaged metadata, to report them."""
    try:
        return any(point.group == GROUP for point in distribution.entry_points)
    except Exception:  # noqa: BLE001 -- as for the name
        return True


def _name(distribution: Distribution) -> str:
    """Return a distribution's name; empty if an incomplete removal left none."""
    try:
        metadata: Any = distribution.metadata
        return str(metadata["Name"] or "")
    except Exception:  # noqa: BLE001 -- a missing or damaged file raises another error in each Python version
        return ""


def _entry_points(name: str, distribution: Distribution) -> dict[Origin, EntryPoint]:
    """Return a distribution's entry points of our group.

    pluggy's own loader registers by entry-point name and silently drops the second plugin of a name.
    """
    points = [point for point in distribution.entry_points if point.group == GROUP]
    if points and name == _NAMELESS:
        raise ValueError(f"its metadata in {distribution.locate_file('')} are damaged; install it again")
    return {Origin(name, point.name, str(distribution.version)): point for point in points}


def _ids(variable: str) -> dict[str, str] | None:
    """Return normalised id → id as written; None if the variable is not set."""
    text = os.environ.get(variable)
    if text is None:
        return None
    return {_normal_id(part.strip()): part.strip() for part in text.split(",") if part.strip()}


def _normal_id(text: str) -> str:
    """Return an id with its distribution's name normalised as in PEP 503: ``My_Plugin:x`` becomes ``my-plugin:x``."""
    distribution, separator, point = text.partition(":")
    return f"{_normal(distribution)}{separator}{point}"


def _normal_full(name: str) -> str:
    """Return a full name with its distribution's name normalised: installers take ``My_Plugin`` for ``my-plugin``."""
    distribution, separator, component = name.partition("/")
    return f"{_normal(distribution)}{separator}{component}"


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
