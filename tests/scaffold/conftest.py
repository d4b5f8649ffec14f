"""Generated distributions, used without being installed."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import attrs
import pytest

from shortstack.registry import KINDS, Origin, Registry
from shortstack.scaffold import NewPlugin, new_plugin


@attrs.frozen(kw_only=True)
class Generated:
    """A distribution that was written, with its module loaded and its component on offer."""

    plugin: NewPlugin
    module: object
    registry: Registry

    def build(self, settings=None):
        """Build the component."""
        return self.registry.build(self.plugin.names.kind, self.plugin.names.component, settings)


def generated(kind, folder):
    """Return a new plugin called ``fresh-KIND``, loaded from its folder."""
    plugin = new_plugin(kind, f"fresh-{kind}", folder / kind)
    name = plugin.names.package
    spec = spec_from_file_location(name, plugin.folder / f"{name}.py")
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    registry = Registry.from_environment()
    registry.register(module, Origin(plugin.names.distribution, plugin.names.component, "0.1.0"))
    return Generated(plugin=plugin, module=module, registry=registry)


@pytest.fixture(scope="session")
def plugins(tmp_path_factory):
    """One of each kind, by kind."""
    folder = Path(tmp_path_factory.mktemp("generated"))
    made = {kind: generated(kind, folder) for kind in KINDS}
    yield made
    for module in made.values():
        del sys.modules[module.plugin.names.package]
