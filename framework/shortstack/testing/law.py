"""What a law is: a plain function whose docstring is the statement, and when it binds."""

from collections.abc import Callable, Mapping
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Literal

import attrs

from shortstack.testing.subject import Subject

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Kind = Literal["scorer", "student", "dataset", "loss", "strategy"]


@attrs.frozen(kw_only=True)
class Condition:
    """When a law binds.

    Attributes:
        words: The same for people, for example ``"traits.identity_is_zero"``.
        holds: Whether a component is bound.
    """

    words: str
    holds: Callable[[Subject], bool] = attrs.field(repr=False)


def promises(trait: str) -> Condition:
    """A law binds components whose trait of this name is true."""
    return Condition(words=f"traits.{trait}", holds=lambda subject: bool(vars_of(subject)[trait]))


def vars_of(subject: Subject) -> dict[str, Any]:
    """The traits of a component by name."""
    return attrs.asdict(subject.traits, recurse=False)


@attrs.frozen(kw_only=True, eq=False)
class Law:
    """A statement that binds components of one kind.

    Attributes:
        name: Lower-case words joined by ``-``: the function's name.
        kind: What sort of component it binds.
        number: Its number in the list of laws.
        statement: The function's docstring.
        when: Which components of that kind it binds; None for all.
        draws: Parameter → the Hypothesis strategy that draws it.
        assertion: Raises if the law does not hold: ``assertion(subject, **drawn)``.
        examples: How many examples are tried unless somebody asks for another number; less for dear laws.
        since: The release that brought it.
    """

    name: str
    kind: Kind
    number: int
    statement: str
    when: Condition | None
    draws: "Mapping[str, SearchStrategy[Any]]"
    assertion: Callable[..., None]
    examples: int
    since: str

    @property
    def home(self) -> str:
        """The module that it is written in."""
        return self.assertion.__module__

    def binds(self, subject: Subject) -> bool:
        """Whether a component must keep it."""
        return self.kind == subject.kind and (self.when is None or self.when.holds(subject))


def law(
    kind: Kind,
    number: int,
    *,
    when: Condition | None = None,
    examples: int = 20,
    since: str = "0.2",
    **draws: "SearchStrategy[Any]",
) -> Callable[[Callable[..., None]], Law]:
    """Make a law of a function ``(subject, *, drawn…)``.

    Args:
        kind: What sort of component it binds.
        number: Its number in the list of laws.
        when: Which components of that kind; all by default.
        examples: How many examples are tried by default.
        since: The release that brought it.
        draws: A Hypothesis strategy for each keyword-only parameter.
    """

    def made(assertion: Callable[..., None]) -> Law:
        return Law(
            name=assertion.__name__.replace("_", "-"),
            kind=kind,
            number=number,
            statement=cleandoc(assertion.__doc__ or ""),
            when=when,
            draws=draws,
            assertion=assertion,
            examples=examples,
            since=since,
        )

    return made
