"""The files of code that was written here and not installed, with the own modules that it imports."""

import ast
import dis
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import CodeType
from typing import Final

LIBRARIES: Final = sys.stdlib_module_names | {"shortstack"}
"""Top-level modules that are known by their version, wherever their files lie."""
_INSTALLED: Final = ("site-packages", "dist-packages")


def is_installed(name: str, file: str) -> bool:
    """Return True if a module was installed and not written here: then its version says what it does.

    Args:
        name: The module's name.
        file: Its file; empty if it has none.
    """
    return any(folder in file for folder in _INSTALLED) or name.partition(".")[0] in LIBRARIES


def own_file(name: str) -> Path | None:
    """Return the file of a module that was written here; None for any other. Nothing is imported."""
    top = sys.modules.get(name.partition(".")[0])
    if is_installed(name, str(getattr(top, "__file__", None) or "")):
        return None
    loaded = sys.modules.get(name)
    file = str(getattr(loaded, "__file__", None) or "") if loaded is not None else _found(name)
    return Path(file) if file.endswith(".py") and not is_installed(name, file) and Path(file).is_file() else None


def own_imports(modules: Mapping[str, Path]) -> dict[str, Path]:
    """Return the own modules that some modules import, and those that these import: name → file, without those given.

    Imports within functions count, too. A module that Python would not find is left out.

    Args:
        modules: Name → file.
    """
    found, waiting = dict[str, Path](), dict(modules)
    while waiting:
        importer, path = waiting.popitem()
        package = importer if path.name == "__init__.py" else importer.rpartition(".")[0]
        for name in _imports_in(path.read_bytes(), package):
            file = None if name in found or name in modules else own_file(name)
            if file is not None:
                found[name] = waiting[name] = file
    return dict(sorted(found.items()))


def imports_of_code(code: CodeType) -> set[str]:
    """Return the names of the modules that some code imports when it runs, that of functions in it too.

    >>> sorted(imports_of_code(compile("import json, os.path", "f.py", "exec")))
    ['json', 'os.path']
    """
    names = {str(step.argval) for step in dis.get_instructions(code) if step.opname == "IMPORT_NAME"}
    return names.union(*(imports_of_code(part) for part in code.co_consts if isinstance(part, CodeType)))


@lru_cache(maxsize=1024)
def _imports_in(source: bytes, package: str) -> tuple[str, ...]:
    """Return the names of all modules that a file may import, parents before their parts."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # it fails where it is imported, with Python's own message
        return ()
    names = [part for node in ast.walk(tree) for name in _named_by(node, package) for part in _with_parents(name)]
    return tuple(dict.fromkeys(names))


def _named_by(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the modules that a statement names; of ``from a import b`` also ``a.b``, which may be one."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".") if package and node.level else []
        above = parts[: len(parts) - node.level + 1]
        base = ".".join([*above, *([node.module] if node.module else [])])
        if base:
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _found(name: str) -> str:
    """Return the file that Python would import as a module, without importing its parents; empty if there is none."""
    path: Sequence[str] | None = None
    origin = ""
    for part in _with_parents(name):
        loaded = sys.modules.get(part)
        spec = PathFinder.find_spec(part, path) if loaded is None else loaded.__spec__
        if spec is None:
            return ""
        path, origin = list(spec.submodule_search_locations or ()), str(spec.origin or "")
    return origin
