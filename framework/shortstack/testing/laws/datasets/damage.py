"""Damaged files are refused cleanly, and errors show no user's id."""

from collections.abc import Iterator
from contextlib import suppress

from hypothesis import strategies as st

from shortstack.contracts import Sample
from shortstack.data.interactions import Interactions
from shortstack.errors import DataError
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.datasets.reading import WRITES, failure_of, read, written
from shortstack.testing.laws.datasets.spots import MARK, spoiled
from shortstack.testing.recipes.damage import Damage, damages
from shortstack.testing.recipes.tables import InteractionTable, interaction_tables, user_number
from shortstack.testing.subject import Subject


@law("dataset", when=WRITES, examples=6, table=interaction_tables(rows=(2, 8)), damage=damages())
def damaged_files(subject: Subject, *, table: InteractionTable, damage: Damage) -> None:
    """A damaged file is refused with a DataError, or read as a table that the core takes or refuses so: nothing else.

    Every kind of damage is tried on each example.
    """
    from polars.exceptions import PanicException

    for each in damage.of_each_kind():
        with written(subject, table.sample(text_ids=subject.traits.text_ids)) as place:
            each.apply(place.folder)
            try:
                with suppress(DataError):
                    subject.build().detect(place.source)
                    Interactions.from_records(read(subject, place.source), core=0)
            # a panic of polars is no Exception
            except (Exception, SystemExit, PanicException) as error:
                problem = f"after {each.kind!r}: {type(error).__name__}, not DataError: {error}"
                raise AssertionError(problem) from error


@law(
    "dataset",
    when=WRITES,
    examples=4,
    table=interaction_tables(rows=(2, 8)),
    row=st.integers(0, 9),
    damage=damages(),
)
def users_are_private(subject: Subject, *, table: InteractionTable, row: int, damage: Damage) -> None:
    """No error shows a user's id, whatever is wrong with the row or the file, nor does an error that caused it."""
    sample = table.sample(text_ids=subject.traits.text_ids)
    row %= len(sample.rows)
    numbers = [user_number(user) for user, *_ in table.rows]
    secret = f"{MARK}{numbers[row]}"
    for what, spoilt in {
        "a bad rating": spoiled(sample, row, rating=MARK),
        "a bad time": spoiled(sample, row, timestamp=MARK),
        "no item": spoiled(sample, row, item=""),
        "a user that is no number": spoiled(sample, row, user=secret),
    }.items():
        _require_private(subject, spoilt, numbers, what)
    for each in damage.of_each_kind():
        _require_private(subject, sample, numbers, f"damage ({each.kind})", each)


def _require_private(
    subject: Subject, sample: Sample, numbers: list[str], what: str, damage: Damage | None = None
) -> None:
    with written(subject, sample) as place:
        if damage is not None:
            damage.apply(place.folder)
        for text in _texts(failure_of(subject, place.source)):
            shown = [number for number in numbers if number in text.replace(str(place.folder), "")]
            require(not shown, f"after {what} the error shows user {shown[:1]}: {text!r}")


def _texts(error: BaseException | None) -> Iterator[str]:
    """Yield the texts of an error and of its causes, as a traceback would show them."""
    while error is not None:
        yield "\n".join([str(error), *getattr(error, "__notes__", [])])
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
