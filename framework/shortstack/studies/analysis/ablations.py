"""Ablations: the student's change by each value of an axis, all else equal."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from shortstack.studies.analysis.pooled import Pair, pooled_by_seed
from shortstack.studies.analysis.problem import Estimate, Problem, Setting, in_short
from shortstack.studies.comparison import Pairing, corrected


@attrs.frozen(kw_only=True)
class Ablation:
    """The effect of a value of an axis against the axis's first value.

    Attributes:
        problem: Label of the problem.
        metric: The metric that models are selected by.
        axis: Shortest name of the axis.
        value: The value, as text.
        reference: The first value, as text.
        pairs: Number of pairs of runs that differ in this axis alone.
        difference: The student's mean change in the metric with its 95 % interval over users and seeds; with the lowest and the
            highest pair where cases are not on the disk.
        p_holm: Two-sided p-value of no change, corrected for all ablations of the study; None without cases.
    """

    problem: str
    metric: str
    axis: str
    value: str
    reference: str
    pairs: int
    difference: Estimate
    p_holm: float | None = None


def ablations(problems: Iterable[Problem], columns: Mapping[str, str]) -> list[Ablation]:
    """Return the effect of each value that has a counterpart with the first value, on the same problem.

    Args:
        problems: The problems.
        columns: Names of ``Setting.values`` → the shortest names.
    """
    made = [
        (effect, pairing)
        for problem in problems
        for column, name in columns.items()
        for effect, pairing in _effects(problem, column, name)
    ]
    tested = iter(corrected([pairing for _, pairing in made if pairing]))
    return [_tested(effect, next(tested).p_holm if pairing else None, pairing) for effect, pairing in made]


def _tested(effect: Ablation, p: float | None, pairing: Pairing | None) -> Ablation:
    if pairing is None or pairing.paired.difference is None:
        return effect
    return attrs.evolve(effect, difference=pairing.paired.difference, p_holm=p)


def _effects(problem: Problem, column: str, name: str) -> Iterator[tuple[Ablation, Pairing | None]]:
    by_value: dict[str, dict[str, Setting]] = {}  # of whole values, for two may look alike in short
    for setting in problem.settings:
        by_value.setdefault(json.dumps(setting.values[column]), {})[_others(setting, column)] = setting
    reference, *values = by_value
    for value in values:
        pairs = _pairs(by_value[value], by_value[reference])
        difference = _range(pairs, problem.metric)
        if difference is not None:
            effect = Ablation(
                problem=problem.label,
                metric=problem.metric,
                axis=name,
                value=in_short(json.loads(value)),
                reference=in_short(json.loads(reference)),
                pairs=len(pairs),
                difference=difference,
            )
            yield effect, pooled_by_seed(pairs, problem.metric)


def _others(setting: Setting, column: str) -> str:
    return json.dumps({name: value for name, value in setting.values.items() if name != column})


def _pairs(ours: Mapping[str, Setting], theirs: Mapping[str, Setting]) -> list[Pair]:
    """Return the runs of equal seeds of the settings that differ in the axis alone."""
    return [
        (first[seed], second[seed])
        for others, setting in ours.items()
        if others in theirs
        for first, second in [(setting.by_seed, theirs[others].by_seed)]
        for seed in first
        if seed in second
    ]


def _range(pairs: Sequence[Pair], metric: str) -> Estimate | None:
    """Return the mean difference with the lowest and the highest."""
    values = [[result.metrics.get("student", {}).get(metric) for result in pair] for pair in pairs]
    changes = [first - second for first, second in values if first is not None and second is not None]
    return (sum(changes) / len(changes), min(changes), max(changes)) if changes else None
