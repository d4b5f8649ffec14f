"""Laws: plain functions whose docstring is the statement, with a condition for the components that they bind."""

from collections.abc import Callable, Mapping
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Literal

import attrs

from shortstack.testing.subject import Subject

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

LawKind = Literal["scorer", "student", "dataset", "loss", "strategy"]


@attrs.frozen(kw_only=True)
class Condition:
    """Condition on a component under which a law binds it.

    Attributes:
        words: The condition as text for people, for example ``"traits.identity_is_zero"``.
        holds: Returns True for a component that is bound.
    """

    words: str
    holds: Callable[[Subject], bool] = attrs.field(repr=False)


def promises(trait: str) -> Condition:
    """Return the condition that the component's trait of this name is true."""
    return Condition(words=f"traits.{trait}", holds=lambda subject: bool(vars_of(subject)[trait]))


def vars_of(subject: Subject) -> dict[str, Any]:
    """Return the traits of a component by name."""
    return attrs.asdict(subject.traits, recurse=False)


@attrs.frozen(kw_only=True, eq=False)
class Law:
    """Law: a statement that binds components of one kind.

    Attributes:
        name: Lower-case words joined by ``-``: the function's name.
        kind: LawKind of component that it binds.
        statement: The function's docstring.
        when: Condition on the components of that kind; None binds all.
        draws: Parameter → the Hypothesis strategy that draws it.
        assertion: Raises if the law does not hold: ``assertion(subject, **drawn)``.
        examples: Default number of examples; fewer for expensive laws.
        since: The release that added it.
    """

    name: str
    kind: LawKind
    statement: str
    when: Condition | None
    draws: "Mapping[str, SearchStrategy[Any]]"
    assertion: Callable[..., None]
    examples: int
    since: str

    @property
    def home(self) -> str:
        """Module in which the law is defined."""
        return self.assertion.__module__

    def binds(self, subject: Subject) -> bool:
        """Return True if the law binds this component."""
        return self.kind == subject.kind and (self.when is None or self.when.holds(subject))


def law(
    kind: LawKind,
    *,
    when: Condition | None = None,
    examples: int = 20,
    since: str = "0.2",
    **draws: "SearchStrategy[Any]",
) -> Callable[[Callable[..., None]], Law]:
    """Turn a function ``(subject, *, drawn…)`` into a law.

    Args:
        kind: LawKind of component that the law binds.
        when: Condition on the components of that kind; all by default.
        examples: Default number of examples.
        since: The release that added it.
        draws: A Hypothesis strategy for each keyword-only parameter.
    """

    def made(assertion: Callable[..., None]) -> Law:
        return Law(
            name=assertion.__name__.replace("_", "-"),
            kind=kind,
            statement=cleandoc(assertion.__doc__ or ""),
            when=when,
            draws=draws,
            assertion=assertion,
            examples=examples,
            since=since,
        )

    return made
