"""Checks in a fresh process: the components it finds, and the handling of its errors."""

import json

import pytest
from mutants.scorers.lasting import BY_HASH
from mutants.scorers.plain import mean

from shortstack.testing import check
from shortstack.testing.other_process import FINDABLE, asked_elsewhere
from shortstack.testing.subject import subject_of


@pytest.mark.parametrize(
    ("component", "kind"),
    [
        ("magnitude", "scorer"),
        (BY_HASH, "scorer"),
        ("mutants.scorers.lasting:BY_HASH", "scorer"),
        ("mutants.strategies:TorchTopK", "strategy"),
    ],
)
def test_who_is_found(component, kind):
    """A fresh process finds installed names, descriptors that a module names, and strategies."""
    assert FINDABLE.holds(subject_of(component, kind))


@pytest.mark.parametrize("component", [BY_HASH, "mutants.scorers.lasting:BY_HASH"], ids=["descriptor", "text"])
def test_a_salted_hash(component):
    """It shows in another process, whichever way the scorer is named."""
    (outcome,) = check(component, kind="scorer", laws=["other-process"], examples=4)

    assert outcome.status == "failed"


def test_who_is_not():
    """A descriptor without a name cannot be imported elsewhere, so nothing is promised of it."""
    (outcome,) = check(mean("nameless"), laws=["other-process"])

    assert outcome.status == "not-promised"
    assert outcome.when == "another process finds it by its name or in a module"


def test_errors_are_told():
    """The error holds the last line that the other process wrote."""
    with pytest.raises(AssertionError, match=r"^in another process it ends with an error: TypeError: dumps\(\)"):
        asked_elsewhere(subject_of("top-k", "strategy"), json.dumps, [0])
