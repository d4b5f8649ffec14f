"""The licences of the direct dependencies, from the metadata of what is installed: ``docs/reference/licences.md``.

The row of a package that is not installed stays as it is, so that no environment needs all extras: python -m release.licences
"""

import re
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

from release.dependencies import ROOT, dependencies

PAGE: Final = ROOT / "docs" / "reference" / "licences.md"
_HEAD: Final = """# Licences of dependencies

<!-- Written by `python -m release.licences` from the packages' metadata. -->

shortstack is under Apache-2.0, and none of these packages is part of it: they are installed beside it. "Always" is what every installation needs, and an extra
is installed only by its name, as in `pip install 'shortstack[serve]'`. What these packages need in turn is listed, with versions and licences, in the CycloneDX file of each release.

| package | needed | licence |
|---|---|---|
"""
_LONGEST: Final = 40
"""Longest licence name in characters; older packages have whole licences in the field."""


def licence(name: str) -> str:
    """Return a package's licence: its SPDX expression, classifier, short text, or the title of its licence file.

    Raises:
        PackageNotFoundError: It is not installed.
        ValueError: Its metadata name none.
    """
    metadata = distribution(name).metadata
    classifiers = [text for text in metadata.get_all("Classifier", []) if text.startswith("License :: ")]
    stated = (metadata.get("License") or "").strip()
    candidates = (
        metadata.get("License-Expression") or "",
        ", ".join(text.rpartition(" :: ")[2] for text in classifiers),
        stated if len(stated) <= _LONGEST else "",
        _known_text(name),
    )
    named = next(filter(None, candidates), None)
    if named is None:
        raise ValueError(f"the metadata of {name} name no licence; write its row of {PAGE.name} yourself")
    return named


def _known_text(name: str) -> str:
    """Return the licence that a package's licence file is, by a sentence that only this licence has; else nothing."""
    files = [path for path in distribution(name).files or () if path.name.startswith("LICENSE")]
    text = " ".join(" ".join(path.read_text(encoding="utf-8").split()) for path in files if "licenses" in path.parts)
    return "BSD-3-Clause" if "Neither the name of the copyright holder" in text else ""


def page() -> str:
    """Return the page; rows of packages that are not installed are those of the page that is there."""
    needed = defaultdict(list)
    for one in dependencies():
        needed[one.name].append(f"`{one.extra}`" if one.extra else "always")
    before = rows(PAGE.read_text(encoding="utf-8")) if PAGE.is_file() else {}
    lines = (
        f"| {name} | {', '.join(needed[name])} | {_licence_or(before.get(name), name)} |\n" for name in sorted(needed)
    )
    return _HEAD + "".join(lines)


def rows(text: str) -> dict[str, str]:
    """Return the licence of each package on a page."""
    below = text.partition("|---|---|---|\n")[2]
    return dict(re.findall(r"^\| ([\w.-]+) \| [^|]+ \| ([^|\n]+) \|$", below, re.MULTILINE))


def _licence_or(before: str | None, name: str) -> str:
    try:
        return licence(name)
    except PackageNotFoundError:
        if before is None:
            raise
        return before


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
