"""Outcomes: results of trying one law on one component."""

from collections.abc import Iterable
from typing import Literal

import attrs

Status = Literal["passed", "failed", "not-promised"]


@attrs.frozen(kw_only=True)
class Outcome:
    """Outcome of one law on one component.

    Attributes:
        law: The law's name.
        statement: The law's text.
        status: ``"passed"``, ``"failed"``, or ``"not-promised"`` where the component's traits do not claim it.
        examples: Number of examples requested; 0 if it was not tried.
        when: Condition under which the law binds, as text; empty if always.
        seconds: Duration in seconds.
        failure: The failure's message, with a snippet that reproduces it; empty unless it failed.
        cause: Exception raised inside the component, and its place, which several laws may meet; empty where the law
            itself rejected a result.
    """

    law: str
    statement: str
    when: str
    status: Status
    examples: int = 0
    seconds: float = 0.0
    failure: str = ""
    cause: str = ""

    def __str__(self) -> str:
        """Return one line for a terminal."""
        tried = f"{self.examples} examples, {self.seconds:.1f} s"
        return (
            f"{self.status:>12}  {self.law}  {f'binds where {self.when}' if self.status == 'not-promised' else tried}"
        )


def by_cause(failed: Iterable[Outcome]) -> list[list[Outcome]]:
    """Group failures by cause, in the order of their laws."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in failed:
        groups.setdefault(outcome.cause or outcome.law, []).append(outcome)
    return list(groups.values())
