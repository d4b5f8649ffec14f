"""Requirements that pin each direct dependency to the lowest version that is allowed: for ``make lowest``.

python -m release.lowest --extras demo serve
"""

import argparse
from collections.abc import Collection

from release.dependencies import dependencies


def requirements(extras: Collection[str] = ()) -> list[str]:
    """Return a requirement for each dependency, with those of some extras."""
    return [f"{one.name}=={one.lowest}" for one in dependencies() if one.extra in {"", *extras}]


def main() -> None:
    """Print one requirement a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    extras = sorted({one.extra for one in dependencies()} - {""})
    parser.add_argument("--extras", nargs="*", default=["demo"], choices=extras, metavar="EXTRA")
    print("\n".join(requirements(parser.parse_args().extras)))


if __name__ == "__main__":
    main()
