"""What the laws of strategies have in common: how one is asked, and what an answer is."""

from typing import Any

from shortstack.selection.strategies import Question
from shortstack.testing.recipes.questions import LayerQuestion
from shortstack.testing.subject import Subject


def kept(subject: Subject, question: LayerQuestion, keep: int) -> tuple[int, ...]:
    """What a fresh strategy keeps."""
    return answered(subject, question.build(), keep)


def answered(subject: Subject, question: Question, keep: int) -> tuple[int, ...]:
    """What a fresh strategy keeps of a question that is at hand."""
    strategy: Any = subject.build()
    return tuple(strategy.choose(question, keep).kept)
