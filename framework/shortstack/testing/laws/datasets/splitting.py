"""Splits of the interactions, and the examples that models are trained and evaluated on."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from shortstack.contracts.labels import IGNORED
from shortstack.data.sequences import Sequences
from shortstack.data.splits import GlobalTime, split
from shortstack.errors import EmptyDataError
from shortstack.tasks.examples import Examples, collate
from shortstack.tasks.next_item import NextItem
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.datasets.reading import TIMED, prepared
from shortstack.testing.recipes.tables import InteractionTable, interaction_tables
from shortstack.testing.subject import Subject

TABLES = interaction_tables(rows=(6, 16), users=2, days=9)
RULES = st.sampled_from(["leave-last", "global-time", "ratio"])


@law("dataset", when=TIMED, table=TABLES, rule=RULES)
def partition(subject: Subject, *, table: InteractionTable, rule: str) -> None:
    """Each interaction is in exactly one of train, valid and test; a case's history is all that the user did before."""
    made = prepared(subject, table.sample())
    sequences = split(made, rule)
    whole = _histories(made.table["user"].to_list(), made.table["item"].to_list())
    parts = [history.tolist() for history in sequences.train()]
    require(len(parts) == len(whole), f"{len(parts)} users are split, of {len(whole)}")
    for user, items in _targets(sequences, parts):
        parts[user] = items
    require(parts == whole, f"train, valid and test together are {parts} instead of {whole}")
    upto = [history.tolist() for history in sequences.upto("test")]
    require(upto == whole, f"everything up to test is {upto} instead of {whole}")


@law("dataset", when=TIMED, table=TABLES, shares=st.sampled_from([(0.1, 0.1), (0.2, 0.2), (0.3, 0.3)]))
def global_time(subject: Subject, *, table: InteractionTable, shares: tuple[float, float]) -> None:
    """Under ``global-time`` all of train is before all of valid, and all of valid before all of test; none is empty."""
    valid, test = shares
    made = prepared(subject, table.sample())
    times = _times(made.table["timestamp"].to_list(), split(made, GlobalTime(valid=valid, test=test)))
    require(all(times), f"the splits have {[len(part) for part in times]} interactions")
    for earlier, later, what in zip(times, times[1:], ("train and valid", "valid and test"), strict=False):
        require(max(earlier) < min(later), f"{what} overlap: {max(earlier)} is not before {min(later)}")


@law("dataset", when=TIMED, table=TABLES)
def leave_last(subject: Subject, *, table: InteractionTable) -> None:
    """Under ``leave-last`` a user's last interaction is test, the one before valid, the others train, oldest first.

    A user with fewer than three is wholly in train.
    """
    made = prepared(subject, table.sample())
    codes = split(made, "leave-last").splits.tolist()
    users, times = made.table["user"].to_list(), made.table["timestamp"].to_list()
    require(users == sorted(users), "the users do not follow each other")
    for history in _histories(users, list(zip(times, codes, strict=True))):
        when, parts = [time for time, _ in history], [code for _, code in history]
        require(when == sorted(when), f"a user's interactions are in the order of times {when}")
        expected = [0] * len(parts) if len(parts) < 3 else [0] * (len(parts) - 2) + [1, 2]
        require(parts == expected, f"the splits of a user's interactions are {parts} instead of {expected}")


@law("dataset", when=TIMED, table=TABLES, window=st.integers(1, 5))
def sequences(subject: Subject, *, table: InteractionTable, window: int) -> None:
    """Each label is the token at its place, to be predicted from those before it; windows keep the most recent.

    Training windows end where a user's training items do and go back by half a window; a test case is the most recent
    window before its target, which is its only label; removing the padding of a batch gives back its examples.
    """
    made = prepared(subject, table.sample())
    divided = split(made, "leave-last")
    tokens = _histories(made.table["user"].to_list(), [item + 1 for item in made.table["item"].to_list()])
    task, catalogue = NextItem(window=window), made.catalogue()
    train = task.training_examples(divided, catalogue)
    past = [history if len(history) < 3 else history[:-2] for history in tokens]
    _require_examples(train, [piece for history in past for piece in _windows(history, window)], "training")
    with suppress(EmptyDataError):
        test = task.evaluation_examples(divided, catalogue, split="test")
        cases = [history[-(window + 1) :] for history in tokens if len(history) >= 3]
        _require_examples(test, [(case, [IGNORED] * (len(case) - 1) + case[-1:]) for case in cases], "test")


def _histories(users: list[int], values: list[Any]) -> list[list[Any]]:
    """Return the values of each user, in order."""
    histories: dict[int, list[Any]] = {}
    for user, value in zip(users, values, strict=True):
        histories.setdefault(user, []).append(value)
    return [histories[user] for user in sorted(histories)]


def _targets(divided: Sequences, parts: list[list[int]]) -> Iterator[tuple[int, list[int]]]:
    """Yield each user and the items of train, followed by the targets of valid and test."""
    whole = {user: list(part) for user, part in enumerate(parts)}
    for name in ("valid", "test"):
        with suppress(EmptyDataError):
            cases = divided.cases(name)
            for case, (user, target) in enumerate(zip(cases.users.tolist(), cases.targets.tolist(), strict=True)):
                history = cases.history(case).tolist()
                require(history == whole[user], f"the history before a {name} case is {history}, not {whole[user]}")
                whole[user].append(target)
    yield from whole.items()


def _times(times: list[int], divided: Sequences) -> list[list[int]]:
    """Return the times in train, valid and test."""
    codes = divided.splits.tolist()
    return [[time for time, code in zip(times, codes, strict=True) if code == part] for part in range(3)]


def _windows(history: list[int], window: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield inputs and labels of a history's training windows, last window first."""
    stop = len(history)
    while len(history) >= 2:
        piece = history[max(0, stop - window - 1) : stop]
        yield piece, [IGNORED, *piece[1:]]
        if stop <= window + 1:
            return
        stop -= max(1, window // 2)


def _require_examples(examples: Examples, expected: list[tuple[list[int], list[int]]], what: str) -> None:
    """Raise unless the examples are the expected ones in any order, also when batched."""
    pairs = [(example["input_ids"], example["labels"]) for example in examples]
    require(sorted(pairs) == sorted(expected), f"the {what} examples are {sorted(pairs)} instead of {sorted(expected)}")
    batch = collate(examples)
    for row, (ids, labels) in enumerate(pairs):
        real = batch["attention_mask"][row].bool()
        require(batch["input_ids"][row][real].tolist() == ids, "a batch holds other tokens than its examples")
        require(batch["labels"][row][real].tolist() == labels, "a batch holds other labels than its examples")
        require((batch["labels"][row][~real] == IGNORED).all(), "a batch supervises its padding")
