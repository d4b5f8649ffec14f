"""Trials of a law: failures of components that do not do the same each time."""

from shortstack.testing.broken import BrokenLawError
from shortstack.testing.laws import laws_of
from shortstack.testing.subject import subject_of
from shortstack.testing.trials import _once


def test_a_refusal_that_does_not_come_again():
    """It is a failure of the component with what it said, not an error of the library that draws examples."""
    problem = _once(
        ExceptionGroup("flaky", [ValueError()]), laws_of("scorer")[0], subject_of("magnitude", "scorer"), ["no tokens"]
    )

    assert isinstance(problem, BrokenLawError)
    assert "it refused an example only one of two times, with: no tokens" in str(problem.error)
