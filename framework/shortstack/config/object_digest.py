"""Digests of objects, from their content and their code: equal in every process that builds the object alike."""

import hashlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from pathlib import Path, PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from shortstack.errors import ConfigurationError
from shortstack.frames import is_table

_PLAIN: Final = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), PurePath, Enum, range)
_ABOUT: Final = frozenset({"__doc__", "__module__", "__qualname__", "__firstlineno__"})
"""Class attributes that do not affect behaviour."""
_LIBRARIES: Final = sys.stdlib_module_names | {"shortstack"}


def digest_of_object(value: object) -> str:
    """Return a hash of an object's content and of the code of its class: equal for objects that do the same.

    An object whose ``digest`` is a text is identified by it. Models are hashed by their weights and config, tables by
    their rows, tokenizers by their vocabulary, functions by their code and what it refers to, everything else by its
    class and its attributes.

    Raises:
        ConfigurationError: An attribute has no stable content to hash, such as an open file.
    """
    hashed = hashlib.blake2b(digest_size=16)
    for part in _parts(value, type(value).__name__, set()):
        # length first, so that parts cannot run into each other
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.hexdigest()


def _parts(value: Any, where: str, seen: set[int]) -> Iterator[bytes]:
    """Yield the bytes to hash for an object."""
    if isinstance(value, _PLAIN):
        yield f"{type(value).__name__} {value!r}".encode("utf-8", "surrogatepass")
        return
    if id(value) in seen:  # a cycle, or a shared object
        yield b"again"
        return
    seen.add(id(value))
    identity = None if isinstance(value, type) else getattr(value, "digest", None)
    if isinstance(identity, str):
        yield f"{type(value).__qualname__} {identity}".encode()
    elif isinstance(value, Mapping):
        yield from _of_mapping(value, where, seen)
    elif isinstance(value, AbstractSet):
        yield b"set"
        # sorted: the order of a set differs between processes
        yield from sorted(b"".join(_parts(item, where, seen)) for item in value)
    elif isinstance(value, list | tuple):
        yield type(value).__name__.encode()
        for index, item in enumerate(value):
            yield from _parts(item, f"{where}[{index}]", seen)
    elif isinstance(value, type | FunctionType | MethodType | BuiltinFunctionType | CodeType | ModuleType):
        yield from _of_code(value, where, seen)
    else:
        yield from _of_instance(value, where, seen)


def _of_mapping(value: Mapping[Any, Any], where: str, seen: set[int]) -> Iterator[bytes]:
    yield b"mapping"
    for key, item in value.items():
        yield repr(key).encode("utf-8", "surrogatepass")
        yield from _parts(item, f"{where}[{key!r}]", seen)


def _of_code(value: Any, where: str, seen: set[int]) -> Iterator[bytes]:
    """Yield the bytes for code: a library's by its version, a module's by its file, other code by its content."""
    if isinstance(value, MethodType):
        yield from _parts(value.__func__, where, seen)
        yield from _parts(value.__self__, where, seen)
        return
    yield f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}".encode()
    if isinstance(value, CodeType):
        yield value.co_code + repr(value.co_names).encode()
        for constant in value.co_consts:
            yield from _parts(constant, where, seen)
    elif isinstance(value, ModuleType | BuiltinFunctionType) or _is_of_a_library(value):
        yield _version(value).encode()
    elif isinstance(value, type):
        yield _file(value)
        yield from _of_class(value, where, seen)
    else:
        yield _file(value)
        yield from _of_function(value, where, seen)


def _of_class(kind: type, where: str, seen: set[int]) -> Iterator[bytes]:
    """Yield the bytes for a class: its members that determine behaviour, without those that attrs generated."""
    for name, member in sorted(vars(kind).items()):
        code = getattr(_unwrapped(member), "__code__", None)
        generated = code is not None and code.co_filename.startswith("<attrs generated")
        if not generated and (code is not None or isinstance(member, (property, *_PLAIN))) and name not in _ABOUT:
            yield name.encode()
            yield from _parts(_unwrapped(member), f"{where}.{name}", seen)
    for base in kind.__bases__:
        yield from _parts(base, where, seen)


def _of_function(function: FunctionType, where: str, seen: set[int]) -> Iterator[bytes]:
    """Yield the bytes for a function: code, defaults, closure, and globals if no source file covers them."""
    yield from _parts(function.__code__, where, seen)
    yield from _parts(function.__defaults__, where, seen)
    yield from _parts(function.__kwdefaults__, where, seen)
    try:
        around = inspect.getclosurevars(function)
    except ValueError:  # an empty closure cell: the variable is not assigned yet
        return
    read = {**({} if _file(function) else around.globals), **around.nonlocals}
    for name, used in sorted(read.items()):
        yield name.encode()
        yield from _parts(used, f"{where}: {name}", seen)


def _unwrapped(member: Any) -> Any:
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", member)


def _file(value: Any) -> bytes:
    """Return a hash of a module's source; empty for scripts and notebooks, whose file changes while in use."""
    module = sys.modules.get(str(getattr(value, "__module__", "")))
    path = Path(str(getattr(module, "__file__", None) or ""))
    if getattr(value, "__module__", "") == "__main__" or not path.is_file():
        return b""
    return hashlib.sha256(path.read_bytes()).digest()


def _of_instance(value: Any, where: str, seen: set[int]) -> Iterator[bytes]:
    """Yield the bytes for an instance: its class and its content, serialised as its library does."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    yield f"{kind.__module__}.{kind.__qualname__}".encode()
    if hasattr(value, "state_dict") and hasattr(value, "named_parameters"):
        yield from _of_weights(value, where, seen)
    elif hasattr(
        value, "to_diff_dict"
    ):  # a transformers config: equal fields are equal, whatever the library's version
        yield from _parts(value.to_dict(), where, seen)
    elif hasattr(value, "backend_tokenizer"):
        yield value.backend_tokenizer.to_str().encode()
        yield repr(sorted(value.special_tokens_map.items())).encode()
    elif library in {"torch", "numpy"} and hasattr(value, "dtype") and hasattr(value, "shape"):
        yield from _of_array(value)
    elif is_table(value):
        yield from _of_table(value)
    else:
        yield from _of_attributes(value, where, seen)


def _of_weights(module: Any, where: str, seen: set[int]) -> Iterator[bytes]:
    yield from _parts(type(module), where, seen)
    config = getattr(module, "config", None)
    if config is not None:
        yield from _parts(config, f"{where}.config", seen)
    for name, tensor in module.state_dict().items():
        yield name.encode()
        yield from _of_array(tensor)


def _of_array(value: Any) -> Iterator[bytes]:
    """Yield the bytes for a tensor or an array: dtype, shape, and all data."""
    yield f"{value.dtype} {tuple(value.shape)}".encode()
    if hasattr(value, "detach"):
        import torch

        value = (
            value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy() if value.numel() else value.numpy()
        )
    if value.dtype.hasobject:
        raise ConfigurationError("an array of Python objects cannot be digested; give numbers or texts")
    yield value.tobytes()


def _of_table(value: Any) -> Iterator[bytes]:
    """Yield the bytes for a table: the names and values of its columns."""
    from shortstack.frames import frame_of, hash_column

    hashed = hashlib.sha256()
    for column in frame_of(value):
        hash_column(hashed, column)
    yield hashed.digest()


def _of_attributes(value: Any, where: str, seen: set[int]) -> Iterator[bytes]:
    """Yield the bytes for any other instance: its class, and the state that pickle would store."""
    kind = type(value)
    yield from _parts(kind, where, seen)
    try:
        reduced: Any = value.__reduce_ex__(4)
    except TypeError as error:
        raise ConfigurationError(
            f"{where} is a {kind.__module__}.{kind.__qualname__}, of which nothing tells whether it is the same as in an earlier "
            "run; give the object an attribute digest, a text that changes whenever the object does"
        ) from error
    if isinstance(reduced, str):  # a singleton, which pickle stores by name
        yield reduced.encode()
        return
    arguments, state = reduced[1], reduced[2] if len(reduced) > 2 else None
    # the arguments begin with the class, which is hashed above
    yield from _parts([argument for argument in arguments if not isinstance(argument, type)], where, seen)
    if isinstance(state, Mapping):
        for name, item in sorted(state.items()):
            yield str(name).encode()
            yield from _parts(item, f"{where}.{name}", seen)
    else:
        yield from _parts(state, where, seen)
    for some in reduced[3:]:
        yield from _parts(list(some or ()), where, seen)


def _is_of_a_library(value: Any) -> bool:
    """Return True for installed code, which its version identifies."""
    name = str(getattr(value, "__module__", ""))
    file = str(getattr(sys.modules.get(name), "__file__", None) or "")
    return not isinstance(value, CodeType) and ("site-packages" in file or name.partition(".")[0] in _LIBRARIES)


def _version(value: Any) -> str:
    name = value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
    return str(getattr(sys.modules.get(name.partition(".")[0]), "__version__", ""))
