"""Laws on how a choice depends on the scores: ties, sizes, and changes that must not matter."""

from itertools import pairwise

import attrs
from hypothesis import strategies as st

from shortstack.testing.comparing import require
from shortstack.testing.law import law, promises
from shortstack.testing.laws.strategies.choosing import answered, choices
from shortstack.testing.recipes.questions import LayerQuestion
from shortstack.testing.strategies import layer_questions
from shortstack.testing.subject import Subject

BONUS = 2.0**-16
"""Less than any difference of drawn scores, or of sums of them; adding it to them is exact."""


@law("strategy", when=promises("continuous"), question=layer_questions())
def ties(subject: Subject, *, question: LayerQuestion) -> None:
    """Ties are resolved for the lowest index: a tiny bonus for each layer, largest for the first, changes nothing.

    The bonus is less than any difference of scores, or of sums of them; each layer gets half of the previous one's.
    """
    favoured = tuple(score + BONUS * 2.0**-layer for layer, score in enumerate(question.scores))
    decided = choices(subject, attrs.evolve(question, scores=favoured))
    for keep, kept in choices(subject, question).items():
        expected = decided.get(keep)

        require(kept == expected, f"of {keep}, {kept} stay; with ties decided for the lowest index, {expected}")


@law("strategy", when=promises("nested"), question=layer_questions())
def nested(subject: Subject, *, question: LayerQuestion) -> None:
    """The layers kept of ``k`` are among those kept of ``k + 1``."""
    for few, more in pairwise(choices(subject, question).values()):
        require(set(few) <= set(more), f"{few} are kept, but with room for one more {more}")


@law("strategy", when=promises("monotone"), question=layer_questions(), steps=st.integers(1, 16))
def monotone(subject: Subject, *, question: LayerQuestion, steps: int) -> None:
    """Raising a kept layer's score, or lowering a dropped one's, changes nothing."""
    for keep, before in choices(subject, question).items():
        for layer in range(len(question.scores)):
            change = steps / 4 if layer in before else -steps / 4
            scores = tuple(score + change * (index == layer) for index, score in enumerate(question.scores))
            after = answered(subject.build(), attrs.evolve(question, scores=scores).build(), keep)

            require(after == before, f"of {keep}, {before} stay; with the score of {layer} at {scores[layer]}, {after}")


@law("strategy", when=promises("order_only"), examples=60, question=layer_questions(), doublings=st.integers(-30, 30))
def order_only(subject: Subject, *, question: LayerQuestion, doublings: int) -> None:
    """Any strictly increasing map of the scores leaves the choice: ``2ᵏ⁺ʳ`` and ``−2ᵏ⁻ʳ``, if r scores are lower.

    In sums of the former the highest score decides, in sums of the latter the lowest.
    """
    ranks = [len({score for score in question.scores if score < mine}) for mine in question.scores]
    steep = tuple(2.0 ** (doublings + rank) for rank in ranks)
    flat = tuple(-(2.0 ** (doublings - rank)) for rank in ranks)
    original = choices(subject, question)
    for scores in (steep, flat):
        mapped = choices(subject, attrs.evolve(question, scores=scores))
        for keep, before in original.items():
            after = mapped.get(keep)

            require(after == before, f"of {keep}, {before} stay; with the scores mapped to {scores}, {after}")
