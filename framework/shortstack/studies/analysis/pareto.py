"""Pareto fronts: the models that no other beats in quality and cost at once."""

from collections.abc import Sequence
from typing import Final

import attrs

from shortstack.studies.analysis.problem import Problem, Setting

COSTS: Final = {"disk_bytes": "bytes on disk", "parameters": "parameters", "ms_per_user_1": "ms a user, alone"}
"""Column of the table → what it is."""


@attrs.frozen(kw_only=True)
class Candidate:
    """A model as its quality and cost, means over the seeds.

    Attributes:
        model: ``student``, ``teacher`` or ``scratch``.
        setting: The label of its setting.
        series: The label without the size.
        cost: In the unit of the column.
        quality: The metric that models are selected by; higher is better.
    """

    model: str
    setting: str
    series: str
    cost: float
    quality: float


def candidates(problem: Problem, cost: str) -> list[Candidate]:
    """Return the problem's students, teachers and models from scratch whose cost is known, each distinct one once."""
    made = [_candidate(problem, setting, model, cost) for model in _MODELS for setting in problem.settings]
    distinct = {
        (each.model, each.series * (each.model == "student"), each.cost, each.quality): each for each in made if each
    }
    return list(distinct.values())


_MODELS: Final = ("teacher", "scratch", "student")


def front(points: Sequence[Candidate]) -> list[Candidate]:
    """Return the points that no other beats: none is as cheap and better, or as good and cheaper; cheapest first.

    >>> at = [Candidate(model="student", setting=str(n), series="", cost=c, quality=q) for n, (c, q) in
    ...     enumerate([(2, 0.5), (1, 0.4), (3, 0.45), (2, 0.3)])]
    >>> [point.setting for point in front(at)]
    ['1', '0']
    """
    best: list[Candidate] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.quality)):
        if not best or point.quality > best[-1].quality:
            best.append(point)
    return best


@attrs.frozen(kw_only=True)
class OnFronts:
    """A model that is on a Pareto front.

    Attributes:
        model: ``student``, ``teacher`` or ``scratch``.
        setting: The label of its setting.
        quality: The metric that models are selected by.
        costs: Its cost by each of ``COSTS``; None where it is not on that front.
    """

    model: str
    setting: str
    quality: float
    costs: tuple[float | None, ...]


def on_fronts(problem: Problem) -> list[OnFronts]:
    """Return the models on a front of a problem, worst first."""
    fronts = [{(each.model, each.setting): each for each in front(candidates(problem, cost))} for cost in COSTS]
    every = {key: each for one in fronts for key, each in one.items()}
    listed = [
        OnFronts(
            model=each.model,
            setting=each.setting,
            quality=each.quality,
            costs=tuple(one[key].cost if key in one else None for one in fronts),
        )
        for key, each in every.items()
    ]
    return sorted(listed, key=lambda each: each.quality)


def _candidate(problem: Problem, setting: Setting, model: str, cost: str) -> Candidate | None:
    quality, price = setting.mean(model, problem.metric), setting.mean(model, cost)
    if quality is None or price is None:
        return None
    return Candidate(model=model, setting=setting.label, series=setting.series, cost=price, quality=quality)
