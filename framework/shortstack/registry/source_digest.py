"""Hashes of source code, on which results depend even if the version stays the same."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from shortstack.config.given import Given
from shortstack.config.resolve import module_named
from shortstack.own_code import own_file, own_imports


def source_digest(module: str) -> str:
    """Return a hash of the Python files of a module's package, or of its one file; empty if it has none.

    The own modules that it imports, written beside it and not installed, count with it.

    Args:
        module: The name of a module that is loaded, for example a component's ``__module__``.

    >>> source_digest("builtins")
    ''
    """
    loaded = sys.modules.get(module)
    package = sys.modules.get(getattr(loaded, "__package__", None) or module)
    own = getattr(loaded, "__file__", None)
    # of a package without __init__.py other folders may be parts, as sys.path has it: these are the code of others
    parts = {Path(part) for part in getattr(package, "__path__", ())}
    folders = [part for part in parts if own is None or Path(own).is_relative_to(part)]
    file = getattr(package, "__file__", None) or own
    paths = sorted(path for folder in folders for path in folder.rglob("*.py")) if folders else [Path(file or "")]
    hashed = hashlib.sha256()
    for path in (*paths, *_imported(module, paths)):
        if path.is_file():
            # NUL separates names and contents, so that none can pass for another
            hashed.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return hashed.hexdigest() if any(path.is_file() for path in paths) else ""


def _imported(module: str, paths: Sequence[Path]) -> list[Path]:
    """Return the files of the own modules that a module imports, but for ``paths``; none if it was installed."""
    file = own_file(module)
    return [] if file is None else [other for other in own_imports({module: file}).values() if other not in paths]


def source_digest_of_name(name: str) -> str:
    """Return the hash of the code that ``module:attribute`` names; empty for a built-in, known by the version."""
    if isinstance(name, Given):
        return name.digest
    module, separator, _ = name.partition(":")
    if not separator:
        return ""
    module_named("code", name)
    return source_digest(module)
