"""Strategies do not depend on earlier questions, the process, the machine or other threads."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from hypothesis import strategies as st

from shortstack.testing.broken import UntriedError
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.strategies.choosing import choices
from shortstack.testing.other_process import FINDABLE, asked_elsewhere
from shortstack.testing.recipes.questions import LayerQuestion
from shortstack.testing.strategies import layer_questions
from shortstack.testing.subject import Subject
from shortstack.testing.turns import frequent_turns

_SEVEN: Final = (0.5, 0.25, 0.5, 0.0, 0.25, 0.5, 0.25)
QUESTIONS: Final = (
    LayerQuestion(scores=_SEVEN, losses=_SEVEN[::-1]),
    LayerQuestion(scores=_SEVEN, losses=_SEVEN, neighbours=0.5),
    LayerQuestion(scores=_SEVEN[::-1], losses=_SEVEN),
    LayerQuestion(scores=(1.0,) * 7, losses=(0.5,) * 7),
    LayerQuestion(scores=tuple(layer / 4 for layer in range(7)), losses=tuple(-layer / 8 for layer in range(7))),
    LayerQuestion(scores=(0.0, 1.0) * 6, losses=(1.0, 0.0, 0.5) * 4),
)
"""Questions of equal size with other scores, with the same scores and other losses, with ties, with twelve layers."""

LIKE = st.integers(2, 9).flatmap(lambda layers: st.tuples(*[layer_questions(layers=(layers, layers))] * 2))
"""Two questions about the same number of layers."""


@law("strategy", questions=LIKE)
def no_memory(subject: Subject, *, questions: tuple[LayerQuestion, LayerQuestion]) -> None:
    """A strategy that answered one question answers the next as a fresh one does."""
    first, second = questions
    same = subject.build()
    choices(subject, first, strategy=same)
    again, fresh = choices(subject, second, strategy=same), choices(subject, second)

    require(again == fresh, f"{again} are kept after another question, {fresh} without one before")


@law("strategy", when=FINDABLE)
def other_process(subject: Subject) -> None:
    """A strategy answers the same in another process, where the questions come in another order.

    That process has another ``PYTHONHASHSEED``, time zone, locale and working directory.
    """
    order = range(len(QUESTIONS))
    here, there = answers(subject, order), asked_elsewhere(subject, answers, order[::-1])
    for question, ours, theirs in zip(QUESTIONS, here, there, strict=True):
        require(ours == theirs, f"of {question}: {ours} here, {theirs} in another process")


def answers(subject: Subject, order: Sequence[int]) -> list[str]:
    """Return a fresh strategy's answer to each question, in the order of ``QUESTIONS``."""
    results = {}
    for number in order:
        try:
            results[number] = str(dict(choices(subject, QUESTIONS[number])))
        except UntriedError as error:
            results[number] = str(error)
    return [results[number] for number in sorted(results)]


@law("strategy", examples=5, questions=st.tuples(*[layer_questions()] * 4))
def threads(subject: Subject, *, questions: tuple[LayerQuestion, ...]) -> None:
    """One strategy used in several threads, each with its own question, answers as in one."""
    strategy: Any = subject.build()
    expected = [choices(subject, question) for question in questions]
    with frequent_turns(), ThreadPoolExecutor(len(questions)) as pool:
        running = [
            pool.submit(lambda each: [choices(subject, each, strategy=strategy) for _ in range(20)], question)
            for question in questions
        ]
        results = [each.result() for each in running]

    for alone, several in zip(expected, results, strict=True):
        require(all(each == alone for each in several), f"{alone} are kept in one thread, {several} in one of four")
