"""The histories on which an export is proven: a run's validation users, and drawn ones of every length."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import numpy as np

from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Sequences
from shortstack.errors import EmptyDataError
from shortstack.run_layout import DATA, SEQUENCES

USERS: Final = 1_000
"""Largest number of validation users."""
_DRAWN: Final = 64


@attrs.frozen(kw_only=True)
class Calibration:
    """Histories as places in the catalogue, oldest first.

    Attributes:
        histories: The histories; none is empty.
        targets: The item that came next after each; None if that is not known.
    """

    histories: Sequence[Sequence[int]]
    targets: Sequence[int] | None = None


def validation_users(student: Path, catalogue: Catalogue) -> Calibration | None:
    """Return the validation users of the run that holds a student; None if its data are not beside the student, or others.

    Raises:
        DataError: The data are damaged.
    """
    folder = student.resolve().parent / DATA
    if not (folder / SEQUENCES).is_file():
        return None
    sequences = Sequences.load(folder / SEQUENCES)
    if [item.id for item in Catalogue.load(folder).items] != [item.id for item in catalogue.items]:
        return None
    try:
        cases = sequences.cases("valid")
    except EmptyDataError:
        return None
    known = np.flatnonzero(cases.stops > cases.starts)
    rows = known[np.unique(np.linspace(0, len(known) - 1, min(USERS, len(known))).astype(int))] if len(known) else known
    if not len(rows):
        return None
    return Calibration(
        histories=[cases.history(int(row)).tolist() for row in rows], targets=cases.targets[rows].tolist()
    )


def drawn_histories(items: int, window: int) -> Calibration:
    """Return seeded histories of one item up to twice the window."""
    random = np.random.default_rng(0)
    lengths = np.linspace(1, 2 * window, _DRAWN).astype(int)
    return Calibration(histories=[random.integers(items, size=length).tolist() for length in lengths])
