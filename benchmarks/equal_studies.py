"""Whether two folders of one study hold equal results: ``python -m benchmarks.equal_studies FOLDER OTHER``.

Every number of every run's ``result.json`` is compared, but times and what follows from them.
"""

import json
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from shortstack.run_layout import RESULT
from shortstack.studies.folder import RUNS

TIMED: Final = frozenset({"seconds", "speed", "cost", "environment"})
"""Entries that hold times and memory."""


def main() -> int:
    """Print how many numbers of how many runs were compared, and those that differ; return 1 if any does."""
    folder, other = map(Path, sys.argv[1:])
    runs = [run.name for run in sorted((folder / RUNS).iterdir())]
    pairs = [
        (f"{run}/{path}", one, two)
        for run in runs
        for path, one, two in _pairs(_result(folder, run), _result(other, run))
    ]
    different = [(path, one, two) for path, one, two in pairs if one != two]
    print(f"{len(pairs):,} numbers of {len(runs)} runs, {len(different)} differ")
    for path, one, two in different:
        print(f"{path}: {one} and {two}")
    return 1 if different or not pairs else 0


def _result(folder: Path, run: str) -> Any:
    return json.loads((folder / RUNS / run / RESULT).read_text(encoding="utf-8"))


def _pairs(one: Any, two: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the numbers at equal places of two values; None where there is no number in one of them."""
    if isinstance(one, dict) or isinstance(two, dict):
        one, two = (value if isinstance(value, dict) else {} for value in (one, two))
        for name in (one.keys() | two.keys()) - TIMED:
            yield from _pairs(one.get(name), two.get(name), f"{path}/{name}")
    elif isinstance(one, list) or isinstance(two, list):
        lists = (value if isinstance(value, list) else [] for value in (one, two))
        for place, (first, second) in enumerate(zip_longest(*lists)):
            yield from _pairs(first, second, f"{path}/{place}")
    elif isinstance(one, int | float) or isinstance(two, int | float):
        yield path, one, two


if __name__ == "__main__":
    sys.exit(main())
