"""Hashes of source code, on which results depend even if the version stays the same."""

import hashlib
import sys
from importlib import import_module
from pathlib import Path

from shortstack.config.given import Given


def source_digest(module: str) -> str:
    """Return a hash of the Python files of a module's package, or of its one file; empty if it has none.

    Args:
        module: The name of a module that is loaded, for example a component's ``__module__``.

    >>> source_digest("builtins")
    ''
    """
    loaded = sys.modules.get(module)
    package = sys.modules.get(getattr(loaded, "__package__", None) or module)
    folders = [Path(folder) for folder in getattr(package, "__path__", ())]
    file = getattr(package, "__file__", None)
    paths = sorted(path for folder in folders for path in folder.rglob("*.py")) if folders else [Path(file or "")]
    hashed = hashlib.sha256()
    for path in paths:
        if path.is_file():
            # NUL separates names and contents, so that none can pass for another
            hashed.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return hashed.hexdigest() if any(path.is_file() for path in paths) else ""


def source_digest_of_name(name: str) -> str:
    """Return the hash of the code that ``module:attribute`` names; empty for a built-in, known by the version."""
    if isinstance(name, Given):
        return name.digest
    module, separator, _ = name.partition(":")
    if not separator:
        return ""
    import_module(module)
    return source_digest(module)
