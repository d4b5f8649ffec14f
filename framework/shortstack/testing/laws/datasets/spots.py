"""Where a row lies in the files of a format that nobody knows: put a text into it and look for that."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import attrs

from shortstack.contracts import Sample
from shortstack.testing.laws.datasets.reading import MEASURES, Place, written
from shortstack.testing.subject import Subject

MARK: Final = "misprint"
"""No number, and nothing that a sample holds elsewhere."""


@attrs.frozen(kw_only=True, order=True)
class Spot:
    """Where a text stands.

    Attributes:
        file: The path within the sample's folder.
        start: The first byte.
        stop: The byte after the last.
        line: The number of the line, from 1.
    """

    file: str
    start: int
    stop: int
    line: int

    def head(self, place: Place) -> str:
        """How an error about this line begins."""
        return f"{place.folder / self.file}:{self.line}:"


def spoiled(sample: Sample, row: int, **fields: Any) -> Sample:
    """A sample with other values in one row."""
    rows = list(sample.rows)
    rows[row] = attrs.evolve(rows[row], **fields)
    return attrs.evolve(sample, rows=rows)


def spots(place: Place, text: str) -> list[Spot]:
    """Each place where a text stands in a file; none where files are not plain text."""
    found = []
    for path in place.files:
        data, what = path.read_bytes(), text.encode()
        start = -1 if b"\0" in data else data.find(what)
        while start >= 0:
            line = data.count(b"\n", 0, start) + 1
            name = str(path.relative_to(place.folder))
            found.append(Spot(file=name, start=start, stop=start + len(what), line=line))
            start = data.find(what, start + 1)
    return found


def spots_of(subject: Subject, sample: Sample, row: int, measure: str) -> list[Spot]:
    """Where a row's rating or time stands."""
    with written(subject, spoiled(sample, row, **{measure: MARK})) as place:
        return spots(place, MARK)


def lines_in_order(subject: Subject, sample: Sample) -> list[list[int]]:
    """The numbers of the rows in each file, as the file has them; nothing where files are not plain text.

    A time may stand in several fields of a row, such as day, month and year.
    """
    for measure in MEASURES:
        marks = [f"{MARK}{row}." for row in range(len(sample.rows))]
        rows = [attrs.evolve(row, **{measure: mark}) for row, mark in zip(sample.rows, marks, strict=True)]
        with written(subject, attrs.evolve(sample, rows=rows)) as place:
            found = sorted(
                (spot.file, spot.start, row) for row, mark in enumerate(marks) for spot in spots(place, mark)
            )
        if found:
            files = dict.fromkeys(file for file, *_ in found)
            return [list(dict.fromkeys(row for file, _, row in found if file == name)) for name in files]
    return []


def ascending(values: Sequence[int]) -> bool:
    """Whether each is above the one before."""
    return all(left < right for left, right in pairwise(values))
