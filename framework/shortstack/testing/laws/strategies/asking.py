"""What the laws of strategies have in common: how one is asked, and what an answer is."""

from collections.abc import Mapping
from typing import Any

from shortstack.errors import ConfigurationError
from shortstack.selection.strategies import Question
from shortstack.testing.broken import UntriedError
from shortstack.testing.recipes.questions import LayerQuestion
from shortstack.testing.subject import Subject


def choices(
    subject: Subject, question: LayerQuestion, *, strategy: Any = None, asked: Question | None = None
) -> Mapping[int, tuple[int, ...]]:
    """For each number of layers that may stay: what stays; numbers that the strategy refuses are left out.

    Args:
        subject: The strategy under test.
        question: What it is asked.
        strategy: One that was built already; a fresh one each time by default.
        asked: The question, built already; a fresh one each time by default.

    Raises:
        UntriedError: It refuses all of them.
    """
    found, refused = {}, ""
    for keep in range(1, len(question.scores) + 1):
        try:
            found[keep] = answered(strategy or subject.build(), asked or question.build(), keep)
        except ConfigurationError as error:
            refused = str(error)
    if not found:
        raise UntriedError(refused)
    return found


def answered(strategy: Any, question: Question, keep: int) -> tuple[int, ...]:
    """What a strategy keeps."""
    return tuple(strategy.choose(question, keep).kept)
