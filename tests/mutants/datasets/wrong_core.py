"""Mistakes in the core, which show in the built-in adapters."""

import attrs
import numpy as np

from mutants.mutant import Mutant
from shortstack.contracts.labels import IGNORED
from shortstack.data import preparation
from shortstack.tasks.examples import Examples

COLUMNS = {"rating": "rating", "timestamp": "time", "title": "title", "category": "genre"}


def wrong(name, sentence, patches, breaks, pitfall=None):
    """Build a mutant: the table adapter on a patched core."""
    return Mutant(
        component="table",
        kind="dataset",
        called=name,
        settings=COLUMNS,
        wrong=sentence,
        patches=patches,
        breaks=breaks,
        pitfall=pitfall,
    )


def one_pass(users, items, k):
    """Filter users and items once, not until nothing changes."""
    rows = np.arange(len(users))
    return rows[(np.bincount(users) >= k)[users] & (np.bincount(items) >= k)[items]]


def more_than(codes, k):
    """Keep users and items with more than the threshold, not with at least it."""
    return (np.bincount(codes) > k)[codes]


def by_row(table, _hashes, _ties):
    """Leave ties in the order of the file."""
    columns = table.select("user", "item", "rating", "timestamp")
    return columns.sort("user", "timestamp", nulls_last=True, maintain_order=True)


def newest_first(ordered):
    """Sort newest first."""

    def backwards(table, hashes, ties):
        return ordered(table, hashes, ties).sort("user", "timestamp", descending=[False, True], maintain_order=True)

    return backwards


def by_first_use(codes, _names, _hashes):
    """Number ids by first occurrence."""
    return codes.unique(maintain_order=True).to_numpy()


def with_sorted_users(prepare):
    """Sort the users' names without renumbering the table."""

    def prepared(raw, how):
        made = prepare(raw, how)
        return attrs.evolve(made, users=made.users.sort())

    return prepared


def by_rank(self, _users, times):
    """Split by shares of the rows, even within one day."""
    order = np.argsort(times, kind="stable")
    codes = np.zeros(len(times), dtype=np.int8)
    first_valid, first_test = (
        max(part, int(len(times) * (1 - share))) for part, share in ((1, self.valid + self.test), (2, self.test))
    )
    codes[order[first_valid:first_test]], codes[order[first_test:]] = 1, 2
    return codes


def valid_last(_self, users, _times):
    """Exchange validation and test."""
    counts = np.bincount(users)
    ends = np.cumsum(counts)[counts >= 3]
    codes = np.zeros(len(users), dtype=np.int8)
    codes[ends - 2], codes[ends - 1] = 2, 1
    return codes


def with_valid(self):
    """Return the training and validation items, so that the validation items are counted twice."""
    return self.upto("valid")


def oldest_window(self, sequences, catalogue, *, split):
    """Keep the oldest window of a history, not the most recent one."""
    cases = sequences.cases(split)
    starts = cases.starts
    stops = np.minimum(cases.stops + 1, starts + self.window + 1)
    tokens = np.asarray(catalogue.tokens, dtype=np.int64)[sequences.items]
    return Examples(tokens=tokens, starts=starts, stops=stops, supervised=stops - 1)


def shifted_twice(self, index):
    """Shift labels one to the left, although the model shifts them too."""
    start, stop = int(self.starts[index]), int(self.stops[index])
    ids = self.tokens[start:stop].tolist()
    return {"input_ids": ids, "labels": [*ids[1:], IGNORED]}


CORE = (
    wrong(
        "one-pass",
        "One pass of the k-core is taken for the k-core.",
        {"shortstack.data.preparation.k_core": one_pass},
        {"k-core"},
        pitfall=29,
    ),
    wrong(
        "more-than-k",
        "Users and items need more than k rows instead of k.",
        {"shortstack.data.filters._enough": more_than},
        {"k-core"},
    ),
    wrong(
        "ties-by-row",
        "Ties in time are broken by the position of the row.",
        {"shortstack.data.preparation._ordered": by_row},
        {"row-order", "ties-leak-nothing"},
        pitfall=30,
    ),
    wrong(
        "ties-by-item",
        "Ties in time are broken by the item alone, in one order for all users.",
        {"shortstack.data.preparation.mixed": lambda _users, items: items},
        {"ties-leak-nothing"},
        pitfall=30,
    ),
    wrong(
        "first-use",
        "Users and items are numbered by first use.",
        {"shortstack.data.preparation._dense_order": by_first_use},
        {"row-order", "ties-leak-nothing"},
        pitfall=30,
    ),
    wrong(
        "sorted-names",
        "Users are numbered by a hash, but their names are listed by the alphabet.",
        {"shortstack.data.preparation.prepare": with_sorted_users(preparation.prepare)},
        {"dense-ids", "k-core"},
    ),
    wrong(
        "newest-first",
        "A user's newest interaction comes first.",
        {"shortstack.data.preparation._ordered": newest_first(preparation._ordered)},
        {"leave-last", "partition"},
    ),
    wrong(
        "cut-by-rank",
        "The global split cuts by rank, through the middle of a day.",
        {"shortstack.data.splits.GlobalTime.codes": by_rank},
        {"global-time"},
        pitfall=28,
    ),
    wrong(
        "test-before-valid",
        "Each user's last interaction validates and the one before tests.",
        {"shortstack.data.splits.LeaveLast.codes": valid_last},
        {"leave-last", "partition", "sequences"},
    ),
    wrong(
        "train-with-valid",
        "Training items include the validation items.",
        {"shortstack.data.sequences.Sequences.train": with_valid},
        {"partition"},
    ),
    wrong(
        "keeps-the-oldest",
        "A test case keeps the oldest items of a history instead of the most recent.",
        {"shortstack.tasks.next_item.NextItem.evaluation_examples": oldest_window},
        {"sequences"},
    ),
    wrong(
        "shifted-twice",
        "Labels are shifted in the examples and again in the model.",
        {"shortstack.tasks.examples.Examples.__getitem__": shifted_twice},
        {"sequences"},
    ),
)
