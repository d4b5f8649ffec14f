"""Hypothesis tests, one for each law and component."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from shortstack.errors import ConfigurationError, EmptyDataError, UnsupportedModelError
from shortstack.testing.broken import BrokenLawError, UntriedError
from shortstack.testing.law import Law
from shortstack.testing.shared import shared_settings_kept
from shortstack.testing.subject import Subject
from shortstack.testing.variants import variants

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

VARIED: Final = {"loss", "scorer", "strategy", "student"}
"""Kinds whose laws are also tried with settings away from their defaults."""


def trial(
    law: Law, subject: Subject, *, examples: int | None = None, seed: int = 0, shrink: bool = True
) -> Callable[[], None]:
    """Return a test that draws recipes and tries a law; fresh each time, as Hypothesis must not mix components.

    Args:
        law: The law.
        subject: The component.
        examples: Number of examples; the law's own by default.
        seed: The same seed draws the same examples.
        shrink: True to reduce a failing example to a minimal one before it is shown.
    """
    from hypothesis import HealthCheck, Phase, given, reject, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import FlakyFailure, Unsatisfiable

    if not law.draws:
        return lambda: _with_one_thread(lambda: attempt(law, subject, {}))

    # kept to explain the case where every example was refused
    refusals: list[str] = []

    def tried(variant: Subject, **recipes: object) -> None:
        try:
            _attempt_variant(law, variant, recipes, given=variant is subject)
        except UntriedError as error:
            refusals.append(str(error))
            reject()

    phases = [Phase.explicit, Phase.generate, *([Phase.shrink] if shrink else [])]
    chosen = settings(
        max_examples=examples or law.examples,
        deadline=None,
        # no example database: the same seed must draw the same examples on every machine
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    test = seeded(seed)(chosen(given(variant=_subjects(law, subject), **law.draws)(tried)))

    def run() -> None:
        try:
            _with_one_thread(test)
        except Unsatisfiable as error:
            nothing = RuntimeError(
                "the component refused everything that was drawn, so the law was never tried; "
                f"at last it said: {refusals[-1] if refusals else 'nothing'}"
            )
            raise BrokenLawError(law, subject, {}, nothing) from error
        except FlakyFailure as error:
            raise _once(error, law, subject, refusals) from error

    return run


def _subjects(law: Law, subject: Subject) -> "SearchStrategy[Subject]":
    """Draw the component as it is, or with one setting away from its default if the law still binds it.

    A student's traits hold for its default settings only, so variants are tried on laws that bind all students.
    """
    from hypothesis import strategies as st

    if subject.kind not in VARIED or (subject.kind == "student" and law.when is not None):
        return st.just(subject)
    others = [variant for variant in variants(subject) if law.binds(variant)]
    return st.just(subject) | st.sampled_from(others) if others else st.just(subject)


def _once(flaky: BaseExceptionGroup, law: Law, subject: Subject, refusals: Sequence[str]) -> BaseException:
    """Return the failure of a component that failed on some recipes, or refused them, but not each time that they were tried."""
    for error in flaky.exceptions:
        if isinstance(error, BrokenLawError):
            problem = f"{error.error}\nbut not again on the same: the component does not do the same each time"
            return BrokenLawError(error.law, error.subject, error.recipes, AssertionError(problem))
    if refusals:
        problem = f"it refused an example only one of two times, with: {refusals[-1]}\nthe component does not do the same each time"
        return BrokenLawError(law, subject, {}, AssertionError(problem))
    return flaky


def _attempt_variant(law: Law, subject: Subject, recipes: Mapping[str, object], *, given: bool) -> None:
    """Try a law once; a varied setting may not fit the example, and a refusal for that reason is no failure.

    Raises:
        BrokenLawError: It does not hold.
        UntriedError: The component refuses these recipes, or they prove nothing.
    """
    try:
        attempt(law, subject, recipes)
    except BrokenLawError as broken:
        if given or not isinstance(broken.error, ConfigurationError):
            raise
        raise UntriedError(str(broken.error)) from broken


def attempt(law: Law, subject: Subject, recipes: Mapping[str, object]) -> None:
    """Try a law once.

    Raises:
        BrokenLawError: It does not hold.
        UntriedError: The component refuses these recipes, or they prove nothing.
    """
    try:
        with shared_settings_kept():  # a component that changes them must not spoil what is tried after it
            law.assertion(subject, **recipes)
    except UntriedError:
        raise
    except (UnsupportedModelError, EmptyDataError) as error:
        raise UntriedError(str(error)) from error  # a clear refusal is allowed: the law was not tried
    except (Exception, SystemExit) as error:
        raise BrokenLawError(law, subject, recipes, error) from error


def _with_one_thread(test: Callable[[], object]) -> None:
    """Run a test on one torch thread: tiny models are many times faster so than on several busy threads."""
    with one_thread():
        test()


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the context, torch uses one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def require_hypothesis() -> None:
    """Raise if Hypothesis is not installed.

    Raises:
        ConfigurationError: It is missing; the message says what to install.
    """
    try:
        import hypothesis  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "the conformance kit needs Hypothesis; install it with: pip install 'shortstack[testing]'"
        ) from error
