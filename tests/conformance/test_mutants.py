"""Every mutant is caught by exactly the laws that it breaks; no correct plugin is accused."""

import pytest
from mutants import datasets, losses, scorers, strategies, students

from shortstack.testing import check
from shortstack.testing.laws import FOLDERS, laws_of

KINDS = (scorers, students, datasets, losses, strategies)
MUTANTS = [mutant for kind in KINDS for mutant in kind.MUTANTS]
CORRECT = [right for kind in KINDS for right in kind.CORRECT]
SLOW = {
    "counts-in-a-byte",
    "sliced",
    "data-denied",
    "merge-forgets",
    "moving",
    "kept-by-shape",
    "by-class",
    "shares-of-a-set",
    "one-projection",
    "by-folder",
    "by-hash",
    "batch-mean",
    "over-the-batch",
    "next-position",
    "mean-of-means",
    "one-text",
    "in-a-list",
}  # six seconds or more each
BY_NAME = {"ids": lambda subject: f"{subject.kind}-{subject.name}"}


def failing(subject, **how):
    """Return the failures by law, of the laws that fail."""
    outcomes = check(subject.component, subject.kind, settings=subject.settings, shrink=False, **how)
    return {outcome.law: outcome.failure for outcome in outcomes if outcome.status == "failed"}


@pytest.fixture
def put_in_place(monkeypatch):
    """Apply a mutant's patches."""
    return lambda mutant: [monkeypatch.setattr(place, value) for place, value in mutant.patches.items()]


def marked(mutants):
    """Mutants with marks: those that are needed for each law to be broken once are for CI; others are for the kit's long test."""
    broken = set()
    for mutant in sorted(mutants, key=lambda one: one.name in SLOW):
        laws = {(mutant.kind, law) for law in mutant.breaks}
        slow = pytest.mark.full if mutant.name in SLOW else ()
        yield pytest.param(mutant, marks=slow if laws - broken else pytest.mark.kit)
        broken |= laws


@pytest.mark.parametrize("mutant", list(marked(MUTANTS)), **BY_NAME)
def test_mutants_are_caught(mutant, put_in_place):
    """Every listed law fails within three seeds: Hypothesis also draws constants from loaded modules."""
    put_in_place(mutant)
    uncaught = set(mutant.breaks)
    for seed in range(3):
        uncaught -= set(failing(mutant, laws=sorted(uncaught), seed=seed)) if uncaught else set()

    assert mutant.breaks
    assert uncaught == set()


@pytest.mark.kit
@pytest.mark.parametrize("mutant", MUTANTS, **BY_NAME)
def test_mutants_break_no_other_law(mutant, put_in_place):
    """On a few examples, no law fails but those that the mutant lists."""
    put_in_place(mutant)
    others = {law.name for law in laws_of(mutant.kind)} - mutant.breaks

    assert failing(mutant, laws=sorted(others), examples=3) == {}


@pytest.mark.kit
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("subject", CORRECT, **BY_NAME)
def test_correct_plugins_are_not_accused(subject, seed):
    """No law fails over five seeds, each of which draws other examples; laws that compare processes draw none."""
    laws = [law.name for law in laws_of(subject.kind) if seed == 0 or law.name != "other-process"]

    assert failing(subject, laws=laws, seed=seed, examples=2) == {}


def test_there_are_enough():
    """At least fifty mutants over the four kinds of plugins, at least twenty correct plugins; no name twice."""
    names = [(mutant.kind, mutant.name) for mutant in MUTANTS]

    assert len(names) == len(set(names))
    assert len(MUTANTS) >= 50
    assert len(CORRECT) >= 20
    assert {mutant.kind for mutant in MUTANTS} >= {"scorer", "student", "dataset", "loss"}


def test_every_law_is_broken_by_a_mutant():
    """A law that nothing breaks may be one that cannot fail."""
    unbroken = {(kind, law.name) for kind in FOLDERS for law in laws_of(kind)} - {
        (mutant.kind, name) for mutant in MUTANTS for name in mutant.breaks
    }

    assert unbroken == set()
