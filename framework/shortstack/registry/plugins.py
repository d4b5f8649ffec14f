"""Registry of plugins: discovers them, isolates broken ones, and looks their components up by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from importlib.metadata import EntryPoint
from typing import Any, Final, Literal, cast

import attrs
import pluggy

from shortstack import hooks
from shortstack.config.descriptions import describe_settings
from shortstack.config.given import Given
from shortstack.config.reader import structure
from shortstack.contracts import Descriptor
from shortstack.errors import ConfigurationError, PluginError, UnknownNameError
from shortstack.registry.components import HOOKS, KINDS, TITLES, Component, Kind, reject_clashes
from shortstack.registry.given import descriptor_of
from shortstack.registry.installed import distributions_with_plugins, entry_points_of, ids_named_by
from shortstack.registry.isolation import format_error, plugin_errors
from shortstack.registry.origins import Origin, normal_full_name, normal_name
from shortstack.registry.plugin_hooks import offering, require_hooks
from shortstack.registry.stdout_capture import StdoutCapture
from shortstack.registry.validation import require_protocol

Phase = Literal["find", "import", "register", "list"]

CORE: Final = "shortstack"


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
        allowed, blocked = ids_named_by("SHORTSTACK_PLUGINS"), ids_named_by("SHORTSTACK_BLOCK_PLUGINS") or {}
        registry, entry_points = cls(), dict[Origin, EntryPoint]()
        for name, distribution in distributions_with_plugins():
            with registry._isolated(Origin(name, "?", "?"), "find"):
                entry_points |= entry_points_of(name, distribution)
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
            require_hooks(self._manager, module)
            with self._isolated(origin, "list", module):
                components = list(self._offered(module, origin))
                reject_clashes(components, self._components)
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
            matches = [c for c in offered if normal_full_name(name) in map(normal_full_name, c.full_names)]
        else:
            matches = [c for c in offered if name in c.names]
            matches = [c for c in matches if c.origin.distribution == CORE] or matches
        if len(matches) > 1:
            full = " or ".join(f"{c.full_name!r} ({c.origin})" for c in matches)
            raise ConfigurationError(f"{TITLES[kind]} {name!r} is offered more than once; write {full}")
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
            config: object = structure(component.descriptor.config, settings, f"{TITLES[kind]} {name!r}")
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
            if "/" in name and normal_name(failure.origin.distribution) == normal_name(distribution):
                error = PluginError(f"{TITLES[kind]} {name!r} is not available: {failure}")
                error.__cause__ = failure.error
                return error
        unknown = UnknownNameError(
            TITLES[kind], name, [c.full_name if "/" in name else c.descriptor.name for c in offered]
        )
        for failure in self._failures:
            unknown.add_note(f"a plugin is out of use and may have offered it: {failure}")
        return unknown
