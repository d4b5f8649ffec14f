"""A hash of the content of an object and of the code that it is made of: the same in every process that builds it alike."""

import copyreg
import hashlib
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import cached_property, partialmethod
from pathlib import Path, PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final

from shortstack.errors import ConfigurationError
from shortstack.frames import is_column, is_table
from shortstack.own_code import imports_of_code, is_installed, own_file, own_imports

_PLAIN: Final = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), PurePath, range)
_BUILT_IN: Final = frozenset({dict, list, tuple, set, frozenset})
_DESCRIPTORS: Final = (GetSetDescriptorType, MemberDescriptorType)
_HOOKS: Final = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_WAY_OUT: Final = "give the object an attribute digest, a text that changes whenever the object does"


def digest_of_object(value: object) -> str:
    """Return a hash of what an object holds and of the code of its class: equal for objects that do the same.

    An object whose ``digest`` is a text is known by it. Models count by their weights and settings, tables by their rows,
    tokenizers by their vocabulary, code by its module's file and those of the own modules that this imports, or in a script by its
    instructions and the globals that it reads, libraries by their version, everything else by its class and by what pickle would keep of it.

    Raises:
        ConfigurationError: It holds something that cannot be compared between processes, such as an open file.

    >>> digest_of_object({"a": (1, 2.0)}) == digest_of_object({"a": (1, 2.0)}) != digest_of_object({"a": (1, 2)})
    True
    """
    hashed = hashlib.blake2b(digest_size=16)
    for part in _Parts().of(value, type(value).__name__):
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.hexdigest()


class _Parts:
    """The bytes that are hashed of an object, each object once: a second time stands its number."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []  # an id is of one object only as long as that lives

    def of(self, value: Any, where: str) -> Iterator[bytes]:
        """Yield the parts of any object; ``where`` is its place, for the error message."""
        if isinstance(value, _PLAIN) and not isinstance(value, Enum):
            yield f"{type(value).__name__} {value!r}".encode("utf-8", "surrogatepass")
            return
        known = self._numbers.get(id(value))
        if known is not None:
            yield f"again {known}".encode()
            return
        self._numbers[id(value)] = len(self._kept)
        self._kept.append(value)
        own = None if isinstance(value, type | ModuleType) else getattr(value, "digest", None)
        if isinstance(own, str):
            yield f"{type(value).__qualname__} {own}".encode()
        elif isinstance(value, type | FunctionType | MethodType | BuiltinFunctionType | CodeType | ModuleType):
            yield from self._of_code(value, where)
        elif isinstance(value, Enum):
            yield value.name.encode()
            yield from self.of(value.value, where)
            yield from self.of(type(value), where)
        elif isinstance(value, Mapping | AbstractSet | list | tuple):
            yield from self._of_container(value, where)
        else:
            yield from self._of_instance(value, where)

    def _of_container(self, value: Any, where: str) -> Iterator[bytes]:
        if type(value) not in _BUILT_IN:  # a subclass may have methods, and a factory of missing values
            yield from self.of(type(value), where)
            yield from self.of(getattr(value, "default_factory", None), f"{where}.default_factory")
            yield from self._of_state(object.__getstate__(value), where)
        if isinstance(value, Mapping):
            yield b"mapping"
            for key, item in value.items():
                yield from self.of(key, f"a key of {where}")
                yield from self.of(item, f"{where}[{key!r:.40}]")
        elif isinstance(value, AbstractSet):
            yield b"set"
            yield from sorted(digest_of_object(item).encode() for item in value)
        else:
            yield type(value).__name__.encode()
            for index, item in enumerate(value):
                yield from self.of(item, f"{where}[{index}]")

    def _of_code(self, value: Any, where: str) -> Iterator[bytes]:
        """Yield the parts of code: a library's by its version, a module's by its file, and else by what it does."""
        if isinstance(value, MethodType):
            yield from self.of(value.__func__, where)
            yield from self.of(value.__self__, where)
        elif isinstance(value, ModuleType):
            yield f"module {value.__name__} {_version(value)}".encode()
            yield b"" if _is_of_a_library(value) else _source_of(value)
        elif isinstance(value, CodeType):
            yield value.co_code + repr((value.co_names, value.co_freevars)).encode()
            for constant in value.co_consts:
                yield from self.of(constant, where)
        else:
            yield f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}".encode()
            if isinstance(value, BuiltinFunctionType) or _is_of_a_library(value):
                yield _version(value).encode()
            elif isinstance(value, type):
                yield _file(value)
                yield from self._of_class(value, where)
            else:
                yield _file(value)
                yield from self._of_function(value, where)

    def _of_class(self, kind: type, where: str) -> Iterator[bytes]:
        """Yield what of a class decides what its instances do; what attrs generates follows from that."""
        for name, member in sorted(vars(kind).items()):
            if _decides(name, member):
                yield name.encode()
                yield from self.of(_unwrapped(member), f"{where}.{name}")
        for base in (*kind.__bases__, type(kind)):
            yield from self.of(base, where)

    def _of_function(self, function: FunctionType, where: str) -> Iterator[bytes]:
        """Yield code, defaults, attributes and surroundings; of a module's globals only where no file holds them."""
        yield from self.of(function.__code__, where)
        yield from self.of([function.__defaults__, function.__kwdefaults__, vars(function)], where)
        if not _file(function):
            for name in sorted(_names_in(function.__code__) & function.__globals__.keys()):
                yield name.encode()
                yield from self.of(function.__globals__[name], f"{where}: {name}")
            imported = {name: own_file(name) for name in sorted(imports_of_code(function.__code__))}
            yield from (_source(name, file) for name, file in imported.items() if file is not None)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            yield name.encode()
            try:
                used = cell.cell_contents
            except ValueError:  # a cell that is still empty
                continue
            yield from self.of(used, f"{where}: {name}")

    def _of_instance(self, value: Any, where: str) -> Iterator[bytes]:
        """Yield the parts of any other instance: its class and its content, read as its library shows it."""
        kind = type(value)
        library = kind.__module__.partition(".")[0]
        yield f"{kind.__module__}.{kind.__qualname__}".encode()
        if hasattr(value, "state_dict") and hasattr(value, "named_modules"):
            yield from self._of_module(value, where)
        elif hasattr(value, "to_diff_dict"):  # a config of transformers, which holds its library's version otherwise
            yield from self.of(value.to_dict(), where)
        elif hasattr(value, "backend_tokenizer"):
            yield value.backend_tokenizer.to_str().encode()
            yield repr((sorted(value.special_tokens_map.items()), getattr(value, "chat_template", None))).encode()
        elif library in {"torch", "numpy"} and hasattr(value, "dtype") and hasattr(value, "shape"):
            yield from _of_array(value, where)
        elif is_table(value) or is_column(value):
            yield from _of_table(value)
        else:
            yield from self._of_attributes(value, where)

    def _of_module(self, module: Any, where: str) -> Iterator[bytes]:
        """Yield classes, settings, hooks and tensors of a module of torch and of all modules in it."""
        for name, part in module.named_modules():
            yield name.encode()
            yield from self.of(type(part), where)
            settings = _settings_of_module(part)
            if hasattr(part, "config") and part is module:
                settings["config"] = part.config
            yield from self.of(settings, f"{where}.{name}" if name else where)
            for hook in _hooks_of_module(part):
                yield b"hook"
                yield from self.of(hook, f"a hook of {where}.{name}")
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            yield name.encode()
            yield from _of_array(tensor, f"{where}.{name}")

    def _of_attributes(self, value: Any, where: str) -> Iterator[bytes]:
        """Yield the parts of an instance of any other class: the class, and what pickle would keep."""
        kind = type(value)
        yield from self.of(kind, where)
        try:
            reduce: Any = copyreg.dispatch_table.get(kind)
            reduced: Any = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except TypeError as error:
            raise ConfigurationError(
                f"{where} is a {kind.__module__}.{kind.__qualname__}, of which nothing tells whether it is the same as in an earlier "
                f"run; {_WAY_OUT}"
            ) from error
        if isinstance(reduced, str):  # the name of something that exists once
            yield reduced.encode()
            yield from self.of(getattr(value, "__wrapped__", None), where)  # of what functools.cache makes
            return
        arguments, state = reduced[1], reduced[2] if len(reduced) > 2 else None
        yield from self.of([one for one in arguments if not isinstance(one, type)], where)
        yield from self._of_state(state, where)
        for items in reduced[3:]:
            yield from self.of(list(items or ()), where)

    def _of_state(self, state: Any, where: str) -> Iterator[bytes]:
        """Yield the parts of an instance's attributes, in any order, as pickle holds them."""
        if isinstance(state, Mapping):
            for name, item in sorted(state.items()):
                yield str(name).encode()
                yield from self.of(item, f"{where}.{name}")
        else:
            yield from self.of(state, where)


def _settings_of_module(part: Any) -> dict[str, Any]:
    """Return what one module of torch holds besides its parameters, buffers, modules and hooks."""
    from torch import nn

    settings = {key: item for key, item in vars(part).items() if key not in vars(nn.Module())}
    if not _is_of_a_library(type(part)):
        return settings
    # a library keeps whatever it likes there: what counts are plain settings, and callables in place of its own
    return {
        key: item
        for key, item in settings.items()
        if isinstance(item, _PLAIN) or (callable(item) and hasattr(type(part), key))
    }


def _hooks_of_module(part: Any) -> list[Any]:
    """Return the hooks that change what a module does; a library's own, which it sets while in use, are left out."""
    hooks = [hook for kind in _HOOKS for hook in vars(part)[kind].values()]
    return [hook for hook in hooks if not (isinstance(hook, FunctionType) and _is_of_a_library(hook))]


def _decides(name: str, member: Any) -> bool:
    """True if a member of a class can decide what its instances do; what attrs generates follows from the rest."""
    code = getattr(_unwrapped(member), "__code__", None)
    if code is not None:
        return not code.co_filename.startswith("<attrs generated")
    if name.startswith("__"):  # Python's own records, unless it can be called as a method
        return not isinstance(member, _DESCRIPTORS) and (callable(member) or hasattr(type(member), "__get__"))
    return not name.startswith("_abc_") and not isinstance(member, _DESCRIPTORS)


def _of_array(value: Any, where: str) -> Iterator[bytes]:
    """Yield type, shape and every byte of a tensor or an array."""
    yield f"{value.dtype} {tuple(value.shape)}".encode()
    if hasattr(value, "detach"):
        import torch

        if value.layout is not torch.strided:
            raise ConfigurationError(
                f"{where} is a tensor of layout {value.layout}, which cannot be digested; {_WAY_OUT}"
            )
        plain = value.detach().cpu().contiguous().flatten()
        value = plain.view(torch.uint8).numpy() if plain.numel() else plain.to(torch.uint8).numpy()
    if value.dtype.hasobject:
        raise ConfigurationError(
            f"{where} is an array of Python objects, which cannot be digested; give numbers or texts"
        )
    yield value.tobytes()


def _of_table(value: Any) -> Iterator[bytes]:
    """Yield a hash of the names and values of a table's columns."""
    from shortstack.frames import frame_of, hash_column

    hashed = hashlib.sha256()
    for column in frame_of(value):
        hash_column(hashed, column)
    yield hashed.digest()


def _names_in(code: CodeType) -> set[str]:
    """Return the names that code reads, that of functions, lambdas and comprehensions in it too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names_in(constant)
    return names


def _unwrapped(member: Any) -> Any:
    """Return the function in a member of a class; of a property with a setter both, of a partial method its arguments too."""
    if isinstance(member, property):
        parts = [part for part in (member.fget, member.fset) if part is not None]
        return parts[0] if len(parts) == 1 else parts
    if isinstance(member, partialmethod):
        return [member.func, member.args, member.keywords]
    if isinstance(member, cached_property):
        return member.func
    return getattr(member, "__func__", member)


def _file(value: Any) -> bytes:
    """Return a hash of the module that something was written in; empty for a script or a notebook, which change while in use."""
    module = sys.modules.get(str(getattr(value, "__module__", "")))
    return b"" if module is None or module.__name__ == "__main__" else _source_of(module)


def _source_of(module: ModuleType) -> bytes:
    path = Path(str(getattr(module, "__file__", None) or ""))
    return _source(module.__name__, path) if path.is_file() else b""


def _source(name: str, path: Path) -> bytes:
    """Return a hash of a module's file and, unless it was installed, of the own modules that it imports."""
    imported = {} if is_installed(name, str(path)) else own_imports({name: path})
    hashed = hashlib.sha256(path.read_bytes())
    for other, file in imported.items():
        hashed.update(f"\0{other}\0".encode() + file.read_bytes())
    return hashed.digest()


def _is_of_a_library(value: Any) -> bool:
    """True if code was installed and not written here: then its version says what it does."""
    name = value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
    return is_installed(name, str(getattr(sys.modules.get(name), "__file__", None) or ""))


def _version(value: Any) -> str:
    name = value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
    return str(getattr(sys.modules.get(name.partition(".")[0]), "__version__", ""))
