"""Hooks of one plugin: checked for names that pluggy would pass over, or made for a single component."""

from difflib import get_close_matches
from inspect import signature
from types import ModuleType

import pluggy

from shortstack import hooks
from shortstack.contracts import Descriptor
from shortstack.registry.components import HOOKS


def offering(descriptor: Descriptor) -> ModuleType:
    """Make a plugin that offers one component, as if a module had a hook that yields its descriptor."""
    hook = next(hook for hook, cls in HOOKS.values() if isinstance(descriptor, cls))
    plugin = ModuleType(descriptor.build.__module__)
    setattr(plugin, hook, pluggy.HookimplMarker(hooks.PROJECT)(lambda: [descriptor], specname=hook))
    return plugin


def require_hooks(manager: pluggy.PluginManager, module: object) -> None:
    """Raise if a registered plugin has no hook, or one that would never be called.

    Raises:
        TypeError: A hook is unknown, unmarked or misspelt, or there is none; names it.
    """
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
