"""Test suites for plugin authors: a class that names a component gets one pytest test for each law that binds it."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, ClassVar

from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.registry import Registry
from shortstack.testing.law import Law, LawKind
from shortstack.testing.subject import Subject, subject_of

__all__ = ["DatasetSuite", "LossSuite", "ScorerSuite", "StrategySuite", "StudentSuite"]


def _require_spelling(suite: "type[Suite]") -> None:
    """Raise if a suite that pytest collects names no component, or sets an attribute that does not exist."""
    known = [name for name in vars(Suite)["__annotations__"] if name != "kind"]
    for name, value in vars(suite).items():
        if not (name.startswith(("_", "test")) or name in {*known, "kind"} or callable(value)):
            close = get_close_matches(name, known, n=1)
            if close:
                raise UnknownNameError("attribute of a suite:", name, known)
    if suite.__name__.startswith("Test") and not hasattr(suite, "component"):
        raise ConfigurationError(f"the suite {suite.__name__} names no component; write component = NAME")


class Suite:
    """Base of the suites: subclass one of the five and set ``component``.

    Attributes:
        component: The component's name, looked up as a user's would be, so that the entry point is tested too; or a
            descriptor.
        settings: Its settings.
        examples: Number of examples per law; each law's own number by default.
        seed: The same seed draws the same examples.
        expected_failures: Law → why it does not hold here. Strict: a law that holds after all fails the suite.
        registry: Where names are looked up; the environment's plugins by default.
    """

    kind: ClassVar[LawKind]
    component: ClassVar[object]
    settings: ClassVar[Mapping[str, object]] = {}
    examples: ClassVar[int | None] = None
    seed: ClassVar[int] = 0
    expected_failures: ClassVar[Mapping[str, str]] = {}
    registry: ClassVar[Registry | None] = None

    def __init_subclass__(cls) -> None:
        """Generate fresh test methods for the class: Hypothesis must not see one function in two classes."""
        super().__init_subclass__()
        _require_spelling(cls)
        if "component" in vars(cls):
            from shortstack.testing.checking import laws_for

            subject = subject_of(cls.component, cls.kind, cls.settings, cls.registry)
            bound = [law for law in laws_for(cls.kind) if law.binds(subject)]
            _require_known(cls.expected_failures, bound, subject)
            for law in bound:
                setattr(cls, f"test_{law.name.replace('-', '_')}", _test(cls, law, subject))


class ScorerSuite(Suite):
    """Every law that binds an importance scorer."""

    kind = "scorer"


class StudentSuite(Suite):
    """Every law that binds a student architecture."""

    kind = "student"


class DatasetSuite(Suite):
    """Every law that binds a dataset adapter."""

    kind = "dataset"


class LossSuite(Suite):
    """Every law that binds a distillation loss."""

    kind = "loss"


class StrategySuite(Suite):
    """Every law that binds a selection strategy; ``component`` is its name or ``module:attribute``."""

    kind = "strategy"


def _test(suite: type[Suite], law: Law, subject: Subject) -> Callable[[Any], None]:
    """Return a test method for one law."""

    def test(_self: object) -> None:
        from shortstack.testing.broken import BrokenLawError
        from shortstack.testing.trials import trial

        reason = suite.expected_failures.get(law.name)
        try:
            trial(law, subject, examples=suite.examples, seed=suite.seed)()
        except BrokenLawError:
            if reason is None:
                raise
            import pytest

            pytest.xfail(reason)
        if reason is not None:
            raise AssertionError(f"the law {law.name!r} holds, but was expected to fail: {reason}; take it out")

    test.__doc__ = law.statement
    return test


def _require_known(expected: Mapping[str, str], bound: list[Law], subject: Subject) -> None:
    if not isinstance(expected, Mapping):
        raise ConfigurationError(f"expected_failures is a dict, law → why it does not hold, got {expected!r:.80}")
    for name in expected:
        if name not in {law.name for law in bound}:
            raise UnknownNameError(
                f"law that binds {subject.name} in expected_failures:", name, [x.name for x in bound]
            )
