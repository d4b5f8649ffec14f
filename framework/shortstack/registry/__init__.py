"""Plugins: discovered, isolated from each other, checked, and looked up by name."""

from typing import TYPE_CHECKING

from shortstack.lazy import lazily

if TYPE_CHECKING:
    from shortstack.registry.components import HOOKS as HOOKS
    from shortstack.registry.components import KINDS as KINDS
    from shortstack.registry.components import Component as Component
    from shortstack.registry.components import Kind as Kind
    from shortstack.registry.origins import Origin as Origin
    from shortstack.registry.plugins import CORE as CORE
    from shortstack.registry.plugins import Registry as Registry

__all__ = ["CORE", "HOOKS", "KINDS", "Component", "Kind", "Origin", "Registry"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "CORE": "plugins",
        "HOOKS": "components",
        "KINDS": "components",
        "Component": "components",
        "Kind": "components",
        "Origin": "origins",
        "Registry": "plugins",
    },
)
