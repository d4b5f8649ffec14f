"""Helpers of the laws of strategies: put questions to a strategy."""

from collections.abc import Mapping
from typing import Any

from shortstack.errors import ConfigurationError
from shortstack.selection.strategies import Question
from shortstack.testing.broken import UntriedError
from shortstack.testing.recipes.questions import LayerQuestion
from shortstack.testing.subject import Subject


def choices(
    subject: Subject, question: LayerQuestion, *, strategy: Any = None, built: Question | None = None
) -> Mapping[int, tuple[int, ...]]:
    """Return the kept layers for each allowed number of layers, except numbers that the strategy refuses.

    Args:
        subject: The strategy under test.
        question: The recipe of the question.
        strategy: An existing strategy; a fresh one each time by default.
        built: An existing question; a fresh one each time by default.

    Raises:
        UntriedError: The strategy refuses all of them.
    """
    kept, refused = {}, ""
    for keep in range(1, len(question.scores) + 1):
        try:
            kept[keep] = answered(strategy or subject.build(), built or question.build(), keep)
        except ConfigurationError as error:
            refused = str(error)
    if not kept:
        raise UntriedError(refused)
    return kept


def answered(strategy: Any, question: Question, keep: int) -> tuple[int, ...]:
    """Return the layers that a strategy keeps."""
    return tuple(strategy.choose(question, keep).kept)
