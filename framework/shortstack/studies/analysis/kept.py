"""Tests of each setting's student against its teacher, over users and seeds together."""

from collections.abc import Iterable, Sequence

from shortstack.contracts.headlines import KEEPS
from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.studies.analysis.problem import Problem, Setting
from shortstack.studies.comparison import Comparison, Pairing, corrected
from shortstack.studies.pairs import Side, pairing


def against_teachers(problems: Iterable[Problem]) -> dict[Setting, Comparison]:
    """Return setting → its students against their teachers, all corrected as one family.

    A setting that an earlier version evaluated, without its cases, is left out.
    """
    pairings = {
        setting: made
        for problem in problems
        for setting in problem.settings
        if (made := paired_if_kept(_with_teachers(setting), "teacher"))
    }
    return dict(zip(pairings, corrected(list(pairings.values())), strict=True))


def paired_if_kept(pairs: Sequence[tuple[Side, Side]], reference: str) -> Pairing | None:
    """Compare case by case; None where there are no pairs, no cases are on the disk, or the question is not one.

    Args:
        pairs: The models, in each pair of runs.
        reference: The second of each in words.

    Raises:
        DataError: Cases are damaged.
    """
    if not pairs:
        return None
    try:
        return pairing(pairs, setting={}, reference=reference, metric=None, keeps=KEEPS)
    except (SourceNotFoundError, ConfigurationError):  # of an earlier version; or a setting of the evaluation varies
        return None


def _with_teachers(setting: Setting) -> list[tuple[Side, Side]]:
    return [
        (Side(result=result, model="student"), Side(result=result, model="teacher"))
        for result in setting.results
        if {"student", "teacher"} <= result.metrics.keys()
    ]
