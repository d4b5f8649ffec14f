"""A comparison of two models, as a row of a table."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from shortstack.contracts.headlines import ERRORS
from shortstack.evaluation.comparisons import Estimate
from shortstack.evaluation.statistics.holm import holm
from shortstack.evaluation.statistics.paired import Paired
from shortstack.report.verdict import FEWEST_USERS

if TYPE_CHECKING:
    import polars as pl

ALPHA: Final = 0.05
"""Level of the tests, after Holm's correction."""
Verdict = Literal["equivalent", "non-inferior", "inferior", "inconclusive"]
_ESTIMATES: Final = ("value", "reference_value", "difference", "ratio")


@attrs.frozen(kw_only=True)
class Comparison:
    """A model against a reference, in one setting. Estimates are (value, low, high), with 95 % intervals, None if undefined.

    Attributes:
        setting: What varies → its value: the axes but the seed, and ``variant``; of single runs, the settings that differ.
        metric: The metric.
        of: The model.
        reference: What it is compared with: ``"teacher"``, or ``"student of tail"``.
        runs: Number of pairs of runs, one for each seed.
        users: Number of test users that both have, all runs together: those that are compared.
        test_users: Number of test users that either has.
        over: What intervals and tests are about: ``"users and seeds"``; of a single pair of runs, ``"users"`` alone, and then
            trainings with another seed may differ by more than the interval says.
        value: The model's metric, the mean over runs.
        reference_value: The reference's.
        difference: The model's minus the reference's.
        ratio: The model's over the reference's; None if the latter is not above 0.
        p: Two-sided p-value of no difference.
        p_holm: The same, corrected by Holm for all comparisons of the family.
        effect_size: Cohen's d_z of the users' differences.
        keeps: Share of the reference's metric that is tested to be kept; of an error, the reference's is to be at least
            that share of the model's.
        p_keeps_holm: One-sided p-value of the hypothesis that less is kept, corrected: small where at least ``keeps`` is kept.
        p_equivalent_holm: p-value of two one-sided tests that the ratio lies outside ``keeps`` to ``1 / keeps``, corrected.
        verdict: At 5 %, corrected: ``"equivalent"``, the ratio is inside; ``"non-inferior"``, at least ``keeps`` is kept;
            ``"inferior"``, less is; ``"inconclusive"``, the data do not say, or have fewer than 30 users.
    """

    setting: Mapping[str, Any]
    metric: str
    of: str
    reference: str
    runs: int
    users: int
    test_users: int
    over: Literal["users and seeds", "users"]
    value: Estimate | None
    reference_value: Estimate | None
    difference: Estimate | None
    ratio: Estimate | None
    p: float | None
    p_holm: float | None
    effect_size: float | None
    keeps: float
    p_keeps_holm: float | None
    p_equivalent_holm: float | None
    verdict: Verdict

    def row(self) -> dict[str, Any]:
        """Return it flat: the setting's values by their names; of an estimate ``difference``, ``difference/low``, …."""
        fields = attrs.asdict(self, recurse=False)
        flat = dict(fields.pop("setting"))
        for name, value in fields.items():
            if name in _ESTIMATES:
                flat |= dict(zip((name, f"{name}/low", f"{name}/high"), value or (None,) * 3, strict=True))
            else:
                flat[name] = value
        return flat


@attrs.frozen(kw_only=True)
class Comparisons:
    """Comparisons, of which each family is corrected together.

    Attributes:
        rows: The comparisons.
        left_out: Setting, in words → why it could not be compared.
    """

    rows: tuple[Comparison, ...]
    left_out: Mapping[str, str] = attrs.field(factory=dict)

    def to_polars(self) -> "pl.DataFrame":
        """Return a row for each comparison; columns as in ``Comparison.row``. Settings of several types are texts."""
        import polars as pl

        rows = [comparison.row() for comparison in self.rows]
        names = {name for comparison in self.rows for name in comparison.setting}
        mixed = {name for name in names if len({type(row.get(name)) for row in rows} - {type(None)}) > 1}
        texts = [{n: str(v) if n in mixed and v is not None else v for n, v in row.items()} for row in rows]
        return pl.DataFrame(texts, infer_schema_length=None)


@attrs.frozen(kw_only=True)
class Pairing:
    """Two models of some runs, before the correction.

    Attributes:
        setting: As of ``Comparison``.
        metric: The metric.
        of: The model.
        reference: What it is compared with, in words.
        paired: The figures.
        keeps: The share to keep.
    """

    setting: Mapping[str, Any]
    metric: str
    of: str
    reference: str
    paired: Paired
    keeps: float

    @property
    def p_kept(self) -> float | None:
        """One-sided p-value of the hypothesis that too little is kept."""
        return self.paired.p_at_most if self.metric in ERRORS else self.paired.p_at_least

    @property
    def p_lost(self) -> float | None:
        """One-sided p-value of the hypothesis that enough is kept."""
        return None if self.p_kept is None else 1 - self.p_kept

    @property
    def p_equivalent(self) -> float | None:
        """p-value of two one-sided tests."""
        both = (self.paired.p_at_least, self.paired.p_at_most)
        return None if None in both else max(p for p in both if p is not None)


def corrected(pairings: Sequence[Pairing], family: Sequence[str] = ()) -> list[Comparison]:
    """Correct p-values by Holm, within each family, and say what they show.

    Args:
        pairings: The comparisons.
        family: Settings whose values divide the comparisons into families; none for one family of all.
    """
    families: dict[tuple[Any, ...], list[int]] = {}
    for place, pairing in enumerate(pairings):
        families.setdefault(tuple(pairing.setting.get(name) for name in family), []).append(place)
    by_place: dict[int, Comparison] = {}
    for places in families.values():
        by_place |= dict(zip(places, _family([pairings[place] for place in places]), strict=True))
    return [by_place[place] for place in range(len(pairings))]


def _family(pairings: Sequence[Pairing]) -> list[Comparison]:
    def adjusted(p: Callable[[Pairing], float | None]) -> list[float | None]:
        return holm([p(pairing) for pairing in pairings])

    tests = zip(
        adjusted(lambda pairing: pairing.paired.p),
        adjusted(lambda pairing: pairing.p_kept),
        adjusted(lambda pairing: pairing.p_equivalent),
        adjusted(lambda pairing: pairing.p_lost),
        strict=True,
    )
    return [_comparison(pairing, *each) for pairing, each in zip(pairings, tests, strict=True)]


def _comparison(
    pairing: Pairing, p: float | None, p_kept: float | None, p_equivalent: float | None, p_lost: float | None
) -> Comparison:
    one = pairing.paired
    return Comparison(
        setting=pairing.setting,
        metric=pairing.metric,
        of=pairing.of,
        reference=pairing.reference,
        runs=one.runs,
        users=one.users,
        test_users=one.test_users,
        over="users" if one.runs == 1 else "users and seeds",
        value=one.first,
        reference_value=one.second,
        difference=one.difference,
        ratio=one.ratio,
        p=one.p,
        p_holm=p,
        effect_size=one.effect_size,
        keeps=pairing.keeps,
        p_keeps_holm=p_kept,
        p_equivalent_holm=p_equivalent,
        verdict="inconclusive" if one.users < FEWEST_USERS else _verdict(p_kept, p_equivalent, p_lost),
    )


def _verdict(p_kept: float | None, p_equivalent: float | None, p_lost: float | None) -> Verdict:
    """Return what the corrected tests show.

    >>> _verdict(0.01, 0.5, 0.99), _verdict(0.2, 0.3, 0.8)
    ('non-inferior', 'inconclusive')
    """
    if p_equivalent is not None and p_equivalent <= ALPHA:
        return "equivalent"
    if p_kept is not None and p_kept <= ALPHA:
        return "non-inferior"
    return "inferior" if p_lost is not None and p_lost <= ALPHA else "inconclusive"
