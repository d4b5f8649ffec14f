"""Installed distributions that have plugins, and the environment variables that choose among these."""

import os
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, Final

from shortstack.registry.origins import Origin, normal_id, normal_name

GROUP: Final = "shortstack"
_NAMELESS: Final = "(without a name)"


def distributions_with_plugins() -> Iterator[tuple[str, Distribution]]:
    """Yield each distribution with plugins once, with its name: of two copies on the path the first is imported."""
    seen: set[str] = set()
    for distribution in filter(_may_have_plugins, distributions()):
        name = _name(distribution)
        normal = normal_name(name)
        if normal not in seen:
            yield name or _NAMELESS, distribution
        if name:
            seen.add(normal)


def _may_have_plugins(distribution: Distribution) -> bool:
    """Return False if a distribution has no plugins: a cheap check, True for damaged metadata, to report them."""
    try:
        return any(point.group == GROUP for point in distribution.entry_points)
    except Exception:  # noqa: BLE001 -- as for the name
        return True


def _name(distribution: Distribution) -> str:
    """Return a distribution's name; empty if an incomplete removal left none."""
    try:
        metadata: Any = distribution.metadata
        return str(metadata["Name"] or "")
    except Exception:  # noqa: BLE001 -- a missing or damaged file raises another error in each Python version
        return ""


def entry_points_of(name: str, distribution: Distribution) -> dict[Origin, EntryPoint]:
    """Return a distribution's entry points of our group.

    pluggy's own loader registers by entry-point name and silently drops the second plugin of a name.

    Raises:
        ValueError: The distribution's name is lost.
    """
    points = [point for point in distribution.entry_points if point.group == GROUP]
    if points and name == _NAMELESS:
        raise ValueError(f"its metadata in {distribution.locate_file('')} are damaged; install it again")
    return {Origin(name, point.name, str(distribution.version)): point for point in points}


def ids_named_by(variable: str) -> dict[str, str] | None:
    """Return normalised id → id as written; None if the variable is not set."""
    text = os.environ.get(variable)
    if text is None:
        return None
    return {normal_id(part.strip()): part.strip() for part in text.split(",") if part.strip()}
