"""Locate a row in files of an unknown format, by writing a marker into it and searching for that."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import attrs

from shortstack.contracts import Sample
from shortstack.testing.laws.datasets.reading import MEASURES, Place, written
from shortstack.testing.subject import Subject

MARK: Final = "misprint"
"""Marker: not a number, and nowhere else in a sample."""


@attrs.frozen(kw_only=True, order=True)
class Spot:
    """Place of a text in a file.

    Attributes:
        file: The path within the sample's folder.
        start: Offset of the first byte.
        stop: Offset after the last byte.
        line: The number of the line, from 1.
    """

    file: str
    start: int
    stop: int
    line: int

    def head(self, place: Place) -> str:
        """Return the beginning of an error about this line."""
        return f"{place.folder / self.file}:{self.line}:"


def spoiled(sample: Sample, row: int, **fields: Any) -> Sample:
    """Return a sample with other values in one row."""
    rows = list(sample.rows)
    rows[row] = attrs.evolve(rows[row], **fields)
    return attrs.evolve(sample, rows=rows)


def spots(place: Place, text: str) -> list[Spot]:
    """Return each place where a text stands in a file; none where files are not plain text."""
    places = []
    for path in place.files:
        data, what = path.read_bytes(), text.encode()
        # a NUL marks a binary file, where a text found by chance means nothing
        start = -1 if b"\0" in data else data.find(what)
        while start >= 0:
            line = data.count(b"\n", 0, start) + 1
            name = str(path.relative_to(place.folder))
            places.append(Spot(file=name, start=start, stop=start + len(what), line=line))
            start = data.find(what, start + 1)
    return places


def spots_of(subject: Subject, sample: Sample, row: int, measure: str) -> list[Spot]:
    """Return the places of a row's rating or time."""
    with written(subject, spoiled(sample, row, **{measure: MARK})) as place:
        return spots(place, MARK)


def lines_in_order(subject: Subject, sample: Sample) -> list[list[int]]:
    """Return the numbers of the rows in each file, in the file's order; empty where files are not plain text.

    A time may stand in several fields of a row, such as day, month and year.
    """
    for measure in MEASURES:
        marks = [f"{MARK}{row}." for row in range(len(sample.rows))]
        rows = [attrs.evolve(row, **{measure: mark}) for row, mark in zip(sample.rows, marks, strict=True)]
        with written(subject, attrs.evolve(sample, rows=rows)) as place:
            marked = sorted(
                (spot.file, spot.start, row) for row, mark in enumerate(marks) for spot in spots(place, mark)
            )
        if marked:
            files = dict.fromkeys(file for file, *_ in marked)
            return [list(dict.fromkeys(row for file, _, row in marked if file == name)) for name in files]
    return []


def ascending(values: Sequence[int]) -> bool:
    """Return True if each value is greater than the one before.

    >>> ascending([1, 3, 4]), ascending([1, 1])
    (True, False)
    """
    return all(left < right for left, right in pairwise(values))
