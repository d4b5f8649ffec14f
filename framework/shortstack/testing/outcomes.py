"""What became of one law on one component."""

from collections.abc import Iterable
from typing import Literal

import attrs

Status = Literal["passed", "failed", "not-promised"]


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one law on one component.

    Attributes:
        law: The law's name.
        number: Its place in the list of laws; laws about one thing share it.
        statement: What it says.
        status: ``"passed"``, ``"failed"``, or ``"not-promised"`` where the component's traits do not claim it.
        examples: How many examples were asked for; 0 if it was not tried.
        when: Which components the law binds; empty if all.
        seconds: How long it took.
        failure: The text of the failure, with a snippet that shows it again; empty unless it failed.
        cause: What went wrong within the component, and where, which several laws may meet; empty where a law alone
            saw that something is wrong.
    """

    law: str
    number: int
    statement: str
    when: str
    status: Status
    examples: int = 0
    seconds: float = 0.0
    failure: str = ""
    cause: str = ""

    def __str__(self) -> str:
        """One line for a terminal."""
        tried = f"{self.examples} examples, {self.seconds:.1f} s"
        return (
            f"{self.status:>12}  {self.law}  {f'binds where {self.when}' if self.status == 'not-promised' else tried}"
        )


def by_cause(failed: Iterable[Outcome]) -> list[list[Outcome]]:
    """Failures in the order of their laws, those of one cause together."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in failed:
        groups.setdefault(outcome.cause or outcome.law, []).append(outcome)
    return list(groups.values())
