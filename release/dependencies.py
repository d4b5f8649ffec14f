"""The direct dependencies, as ``pyproject.toml`` states them."""

import tomllib
from pathlib import Path
from typing import Final

import attrs
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]


@attrs.frozen
class Dependency:
    """A direct dependency.

    Attributes:
        name: Its normalised name on the package index.
        lowest: The lowest version that is allowed.
        extra: The extra that needs it; empty if every installation does.
    """

    name: str
    lowest: str
    extra: str = ""


def dependencies() -> list[Dependency]:
    """Return the dependencies of every installation, then those of each extra.

    Raises:
        ValueError: One has no lower bound.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = {"": project["dependencies"], **project["optional-dependencies"]}
    return [_dependency(text, extra) for extra, texts in stated.items() for text in texts]


def _dependency(text: str, extra: str) -> Dependency:
    requirement = Requirement(text)
    lowest = [bound.version for bound in requirement.specifier if bound.operator == ">="]
    if len(lowest) != 1:
        raise ValueError(f"pyproject.toml: {text!r} needs one lower bound, as in 'numpy>=2.0'")
    return Dependency(canonicalize_name(requirement.name), lowest[0], extra)
