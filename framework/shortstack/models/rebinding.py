"""The same hook, patch or table about other modules: what hangs on a module's double must speak of doubles.

A patched ``forward`` calls the method of the module that it was taken from, and a hook may know modules by identity: in a closure, a
default, a table of names, or an object that it is a method of. All of it is followed, and what refers to no copied module stays itself.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType, new_class
from typing import Any, Final

from torch import Tensor, nn
from transformers import PreTrainedConfig

COMPILED: Final = "_torchdynamo_orig_callable"
"""Where ``torch.compile`` keeps the function that it compiled."""
_PLAIN: Final = frozenset({bool, int, float, str, bytes, type(None)})
_OTHERS: Final = (nn.Module, Tensor, PreTrainedConfig, ModuleType, type)
"""Values that are not looked into."""
_FOREIGN: Final = frozenset({"builtins", "torch", "transformers", "numpy"})
"""Packages whose objects know no module of a user's model."""
_DEEPEST: Final = 32
"""How far references are followed: a patch around a patch takes two steps."""
_LARGEST: Final = 4096
"""Entries of a container that is looked into: data sets are larger, tables of modules are not."""

Again = Callable[[Any], Any]


class Rebinding:
    """Gives for each value the one that is about other modules."""

    def __init__(self, known: dict[int, Any]) -> None:
        """Keep what stands for what, by identity."""
        self._known = known
        self._done = dict[int, tuple[Any, Any]]()  # with the value itself, whose identity is its own while it lives

    def __call__(self, value: Any, depth: int = _DEEPEST) -> Any:
        """The value itself where it refers to nothing that is replaced."""
        if type(value) in _PLAIN:
            return value
        if id(value) in self._known:
            return self._known[id(value)]
        how = None if depth == 0 else _how(value)
        if how is None:
            return value
        if id(value) not in self._done:
            self._done[id(value)] = (value, value)  # what refers to itself
            self._done[id(value)] = (value, how(value, partial(self.__call__, depth=depth - 1)))
        return self._done[id(value)][1]


def _how(value: Any) -> Callable[[Any, Again], Any] | None:
    """How a value is looked into; None if it is not."""
    if isinstance(value, list | tuple | set | frozenset | dict) and len(value) > _LARGEST:
        return None
    found = _EACH.get(type(value))
    if found is None and hasattr(value, "__dict__") and not isinstance(value, _OTHERS):
        return None if type(value).__module__.partition(".")[0] in _FOREIGN else _object
    return found


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
    """The same function about other modules; what it keeps besides, it shares with the first. A compiled one as it was before."""
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
    found = again(held)
    return cell if found is held else CellType(found)


def _entries(value: Any, again: Again) -> Any:
    found = [(again(one), one) for one in tuple(value)]  # at once, for other threads may add to it
    return value if all(new is old for new, old in found) else type(value)(new for new, _ in found)


def _mapping(value: Any, again: Again) -> Any:
    """Keys, too: hooks look up the name of the module that they are called with."""
    found = [(again(key), again(one), key, one) for key, one in tuple(value.items())]
    if all(new is old and now is before for new, now, old, before in found):
        return value
    copied = value.copy()
    copied.clear()
    copied.update((key, one) for key, one, _, _ in found)
    return copied


def _object(value: Any, again: Again) -> Any:
    """The same object, state included, but for the attributes that refer to modules."""
    kind, found = type(value), [(name, one, again(one)) for name, one in tuple(vars(value).items())]
    others = {name: _instead(name, old, new) for name, old, new in found if new is not old}
    if not others:
        return value
    seeing: type[Any] = new_class(
        kind.__name__, (kind,), exec_body=lambda names: names.update(others, __module__=kind.__module__)
    )
    twin = object.__new__(seeing)
    object.__setattr__(twin, "__dict__", vars(value))
    return twin


def _instead(name: str, old: Any, new: Any) -> property:
    """An attribute that is another for as long as it is the old one."""

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
