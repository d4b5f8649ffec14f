"""Rebinding of hooks, patches and tables from a model's modules to the copies of them.

A patched ``forward`` calls the method of the module that it was taken from, and a hook may hold modules by identity: in
a closure, a default, a table of names, or an object that it is a method of. All of these are followed; a value that
refers to no copied module is kept as it is.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType, new_class
from typing import Any, Final

from torch import Tensor, nn
from transformers import PreTrainedConfig

COMPILED: Final = "_torchdynamo_orig_callable"
"""Attribute in which ``torch.compile`` keeps the original function."""
_PLAIN: Final = frozenset({bool, int, float, str, bytes, type(None)})
_OTHERS: Final = (nn.Module, Tensor, PreTrainedConfig, ModuleType, type)
"""Types of values that are not traversed."""
_FOREIGN: Final = frozenset({"builtins", "torch", "transformers", "numpy"})
"""Packages whose objects refer to no module of a user's model."""
_DEEPEST: Final = 32
"""Largest depth to which references are followed: a patch around a patch takes two steps."""
_LARGEST: Final = 4096
"""Largest container that is traversed, in entries: data sets are larger, tables of modules are not."""

Again = Callable[[Any], Any]


class Rebinding:
    """Maps a value to one that refers to the copied modules instead of the originals."""

    def __init__(self, known: dict[int, Any]) -> None:
        """Store the replacements, keyed by the identity of the original."""
        self._known = known
        self._done = dict[int, tuple[Any, Any]]()  # with the value itself, whose identity is its own while it lives

    def __call__(self, value: Any, depth: int = _DEEPEST) -> Any:
        """Return the rebound value; the value itself if it refers to nothing that is replaced."""
        if type(value) in _PLAIN:
            return value
        if id(value) in self._known:
            return self._known[id(value)]
        how = None if depth == 0 else _how(value)
        if how is None:
            return value
        if id(value) not in self._done:
            self._done[id(value)] = (value, value)  # ends the recursion for a value that refers to itself
            self._done[id(value)] = (value, how(value, partial(self.__call__, depth=depth - 1)))
        return self._done[id(value)][1]


def _how(value: Any) -> Callable[[Any, Again], Any] | None:
    """Return the function that rebinds a value of this type; None if it is not traversed."""
    if isinstance(value, list | tuple | set | frozenset | dict) and len(value) > _LARGEST:
        return None
    rebind = _EACH.get(type(value))
    if rebind is None and hasattr(value, "__dict__") and not isinstance(value, _OTHERS):
        return None if type(value).__module__.partition(".")[0] in _FOREIGN else _object
    return rebind


def _method(value: MethodType, again: Again) -> MethodType:
    owner, function = again(value.__self__), again(value.__func__)
    return value if owner is value.__self__ and function is value.__func__ else MethodType(function, owner)


def _partial(value: "partial[Any]", again: Again) -> "partial[Any]":
    function, args, keywords = again(value.func), again(value.args), again(value.keywords)
    if function is value.func and args is value.args and keywords is value.keywords:
        return value
    bound = partial(function, *args, **keywords)
    vars(bound).update(vars(value))
    return bound


def _function(value: FunctionType, again: Again) -> Any:
    """Rebind a function's closure and defaults; globals are shared. A compiled function becomes the original."""
    compiled = vars(value).get(COMPILED)
    if compiled is not None:
        before = again(compiled)
        return value if before is compiled else before
    closure = value.__closure__ or ()
    cells = tuple(_cell(cell, again) for cell in closure)
    defaults, keywords = again(value.__defaults__), again(value.__kwdefaults__)
    same = all(new is old for new, old in zip(cells, closure, strict=True))
    if same and defaults is value.__defaults__ and keywords is value.__kwdefaults__:
        return value
    copied = FunctionType(value.__code__, value.__globals__, value.__name__, defaults, cells)
    copied.__kwdefaults__ = keywords
    vars(copied).update(vars(value))
    return copied


def _cell(cell: CellType, again: Again) -> CellType:
    try:
        held = cell.cell_contents
    except ValueError:  # not yet filled
        return cell
    rebound = again(held)
    return cell if rebound is held else CellType(rebound)


def _entries(value: Any, again: Again) -> Any:
    pairs = [(again(entry), entry) for entry in tuple(value)]  # at once, for other threads may add to it
    return value if all(new is old for new, old in pairs) else type(value)(new for new, _ in pairs)


def _mapping(value: Any, again: Again) -> Any:
    """Rebind values and keys: hooks look up the name of the module that they are called with."""
    pairs = [(again(key), again(entry), key, entry) for key, entry in tuple(value.items())]
    if all(new is old and now is before for new, now, old, before in pairs):
        return value
    copied = value.copy()
    copied.clear()
    copied.update((key, entry) for key, entry, _, _ in pairs)
    return copied


def _object(value: Any, again: Again) -> Any:
    """Return an object that shares the state of the first, but for the attributes that refer to modules."""
    kind, attributes = (
        type(value),
        [(name, attribute, again(attribute)) for name, attribute in tuple(vars(value).items())],
    )
    others = {name: _instead(name, old, new) for name, old, new in attributes if new is not old}
    if not others:
        return value
    seeing: type[Any] = new_class(
        kind.__name__, (kind,), exec_body=lambda names: names.update(others, __module__=kind.__module__)
    )
    twin = object.__new__(seeing)
    object.__setattr__(twin, "__dict__", vars(value))
    return twin


def _instead(name: str, old: Any, new: Any) -> property:
    """Return a property that gives ``new`` for as long as the stored attribute is ``old``."""

    def get(self: Any) -> Any:
        held = vars(self)[name]
        return new if held is old else held

    def put(self: Any, value: Any) -> None:
        vars(self)[name] = value

    return property(get, put)


_EACH: Final[Mapping[type, Callable[[Any, Again], Any]]] = {
    MethodType: _method,
    partial: _partial,
    FunctionType: _function,
    **dict.fromkeys((list, tuple, set, frozenset), _entries),
    **dict.fromkeys((dict, OrderedDict, defaultdict), _mapping),
}
