"""Check a component against every law that binds it."""

import time
from collections.abc import Callable, Mapping, Sequence

from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.registry import Registry
from shortstack.testing.broken import BrokenLawError
from shortstack.testing.law import Law, LawKind
from shortstack.testing.outcomes import Outcome
from shortstack.testing.subject import Subject, subject_of
from shortstack.testing.trials import attempt, one_thread, require_hypothesis, trial

__all__ = ["check", "laws_for", "reproduce"]


def check(
    component: object,
    kind: str | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    laws: Sequence[str] = (),
    examples: int | None = None,
    seed: int = 0,
    registry: Registry | None = None,
    shrink: bool = True,
    tell: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Try every law of a component's kind on drawn examples.

    Args:
        component: Short or full name, ``module:attribute``, or a descriptor.
        kind: ``"scorer"``, ``"student"``, ``"dataset"``, ``"loss"`` or ``"strategy"``; needed only where a name is used
            for several, and for strategies.
        settings: The component's settings.
        laws: Names of the laws to try; all by default.
        examples: Number of examples per law; each law's own number by default.
        seed: The same seed draws the same examples.
        registry: Where names are looked up; the environment's plugins by default.
        shrink: True to reduce each failing example to a minimal one.
        tell: Called with each outcome as soon as it is known.

    Returns:
        One outcome per law, in the order of the laws' names; laws that the component's traits do not claim are
        ``"not-promised"``.

    Raises:
        UnknownNameError: There is no such component or law.
        ConfigurationError: A setting is wrong, or Hypothesis is not installed.
    """
    subject = subject_of(component, kind, settings, registry)
    outcomes = []
    for law in laws_for(subject.kind, laws):
        outcomes.append(_outcome(law, subject, examples, seed, shrink))
        if tell is not None:
            tell(outcomes[-1])
    return outcomes


def laws_for(kind: LawKind, names: Sequence[str] = ()) -> tuple[Law, ...]:
    """Return the laws of a kind of component, or the named ones, in the order of their names.

    Raises:
        UnknownNameError: There is no law of such a name for this kind.
        ConfigurationError: Hypothesis is not installed.
    """
    require_hypothesis()
    from shortstack.testing.laws import laws_of

    known = {law.name: law for law in laws_of(kind)}
    for name in names:
        if name not in known:
            raise UnknownNameError(f"law for a {kind}:", name, known)
    return tuple(law for law in known.values() if not names or law.name in names)


def reproduce(
    component: object,
    law: str,
    *,
    kind: str | None = None,
    settings: Mapping[str, object] | None = None,
    registry: Registry | None = None,
    **recipes: object,
) -> None:
    """Try one law on a component once, with given recipes; the snippet of a failure calls this.

    Raises:
        BrokenLawError: The law does not hold.
        ConfigurationError: The recipes' names are not the parameters that the law draws.
    """
    subject = subject_of(component, kind, settings, registry)
    (chosen,) = laws_for(subject.kind, [law])
    if set(recipes) != set(chosen.draws):
        raise ConfigurationError(
            f"the law {law!r} draws {', '.join(chosen.draws) or 'nothing'}, got {', '.join(recipes)}"
        )
    with one_thread():
        attempt(chosen, subject, recipes)


def _outcome(law: Law, subject: Subject, examples: int | None, seed: int, shrink: bool) -> Outcome:
    shared = {
        "law": law.name,
        "statement": law.statement,
        "when": law.when.words if law.when else "",
    }
    if not law.binds(subject):
        return Outcome(**shared, status="not-promised")  # type: ignore[arg-type]
    start, failure, cause = time.perf_counter(), "", ""
    try:
        trial(law, subject, examples=examples, seed=seed, shrink=shrink)()
    except BrokenLawError as broken:
        failure, cause = str(broken), broken.cause
    return Outcome(
        **shared,
        status="failed" if failure else "passed",
        examples=(examples or law.examples) if law.draws else 1,
        seconds=time.perf_counter() - start,
        failure=failure,
        cause=cause,
    )
