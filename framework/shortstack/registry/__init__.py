"""Plugins: discovered, isolated from each other, checked, and looked up by name."""

from typing import TYPE_CHECKING

from shortstack.lazy import lazily

if TYPE_CHECKING:
    from shortstack.registry.plugins import CORE as CORE
    from shortstack.registry.plugins import HOOKS as HOOKS
    from shortstack.registry.plugins import KINDS as KINDS
    from shortstack.registry.plugins import Component as Component
    from shortstack.registry.plugins import Kind as Kind
    from shortstack.registry.plugins import Origin as Origin
    from shortstack.registry.plugins import Registry as Registry

__all__ = ["CORE", "HOOKS", "KINDS", "Component", "Kind", "Origin", "Registry"]

__getattr__, __dir__ = lazily(__name__, dict.fromkeys(__all__, "plugins"))
