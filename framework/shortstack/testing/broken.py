"""The error for a law that does not hold, with all that the component's author needs to reproduce it."""

from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import Any

import attrs

from shortstack.errors import ShortstackError
from shortstack.registry.isolation import error_place
from shortstack.testing.law import Law
from shortstack.testing.subject import Subject

_PACKAGE = "shortstack.testing"


class UntriedError(Exception):
    """A law cannot be tried on these recipes: they prove nothing, or the component refuses them."""


class BrokenLawError(AssertionError):
    """A component breaks a law; the cause is chained."""

    def __init__(self, law: Law, subject: Subject, recipes: Mapping[str, object], error: BaseException) -> None:
        """Compose the message: the law, the component, the recipes, the failure, and a snippet that reproduces it.

        Args:
            law: The law.
            subject: The component.
            recipes: The recipes that Hypothesis drew, by parameter.
            error: The exception that the law raised.
        """
        self.law, self.subject, self.recipes, self.error = law, subject, recipes, error
        drawn = "\n".join(f"{name} = {value!r}" for name, value in recipes.items()) or "nothing was drawn"
        problem = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}{_place(error)}"
        super().__init__(
            f"{subject.kind} {subject.name!r}{_settings(subject)} breaks the law {law.name!r}\n"
            f"the law:\n{indent(law.statement, '    ')}\n"
            f"tried on:\n{indent(drawn, '    ')}\n"
            f"what happened:\n{indent(problem, '    ')}\n"
            f"to see it again:\n\n{self.snippet}\n"
        )

    @property
    def cause(self) -> str:
        """Exception raised inside the component, and its place; empty if the law itself rejected a result."""
        if isinstance(self.error, AssertionError):
            return ""
        return f"{type(self.error).__name__}{error_place(self.error)}" if error_place(self.error) else f"{self.error}"

    @property
    def snippet(self) -> str:
        """Python code that reproduces the failure when it is pasted."""
        return snippet(self.law, self.subject, self.recipes)


def _settings(subject: Subject) -> str:
    """Return the settings that differ from the defaults, for the message; empty if there are none."""
    values = ", ".join(f"{name} = {value!r}" for name, value in subject.settings.items())
    return f" with {values}" if values else ""


def _place(error: BaseException) -> str:
    """Return where an error was raised; empty if its own message says so."""
    return "" if isinstance(error, ShortstackError) else error_place(error)


def snippet(law: Law, subject: Subject, recipes: Mapping[str, object]) -> str:
    """Return Python code that tries a law on a component once, with these recipes."""
    names = sorted({"reproduce", *(name for value in recipes.values() for name in _recipe_names(value))})
    expression, needed = subject.written
    arguments = [expression, repr(law.name), f"kind={subject.kind!r}"]
    if subject.settings:
        arguments.append(f"settings={dict(subject.settings)!r}")
    arguments += [f"{name}={value!r}" for name, value in recipes.items()]
    lines = [f"from {_PACKAGE} import {', '.join(names)}", *([needed] if needed else []), ""]
    return "\n".join([*lines, "reproduce(", *(f"    {part}," for part in arguments), ")"])


def _recipe_names(value: Any) -> Iterator[str]:
    """Yield the names of the classes that a recipe's ``repr`` mentions, so that the snippet can import them."""
    if attrs.has(type(value)):
        yield type(value).__name__
        for field in attrs.fields(type(value)):
            yield from _recipe_names(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _recipe_names(item)
