"""``docs/reference/python.md``: the public names, whose docstrings mkdocstrings puts there."""

import importlib
from collections.abc import Iterator

from shortstack.testing import strategies
from writers.markdown import NOTE

PUBLIC = (
    "shortstack",
    "shortstack.contracts",
    "shortstack.models",
    "shortstack.testing",
    "shortstack.testing.strategies",
)
HEAD = f"""# Python

{NOTE}

What may be relied on: these names, `shortstack.errors` and `shortstack.hooks`. All else may change without notice. A run from Python, with
examples: [Runs from Python](../from-python.md).
"""


def python_page() -> str:
    """Return the page: a heading a module, and a place for each name's docstring."""
    parts = [HEAD]
    seen: set[str] = set()
    for place in PUBLIC:
        names = [home for home in _homes(place) if home not in seen]
        seen.update(names)
        parts += [f"## {place}\n", *(f"::: {home}\n" for home in names)]
    return "\n".join(parts).rstrip() + "\n"


def _homes(place: str) -> Iterator[str]:
    """Yield where each public name of a module is defined; values without a home of their own are left out."""
    module = strategies if place == strategies.__name__ else importlib.import_module(place)
    for name in module.__all__:
        thing = getattr(module, name)
        home = getattr(thing, "__module__", None)
        if isinstance(home, str) and home.startswith("shortstack") and hasattr(thing, "__qualname__"):
            # what a factory made is documented where it is public
            local = "<locals>" in thing.__qualname__
            yield f"{place}.{name}" if local else f"{home}.{thing.__qualname__}"
