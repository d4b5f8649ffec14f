"""The verdict on a run in words: the quality kept, the size, and whether distillation paid."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from shortstack.contracts.headlines import BASELINES, SELECTED_BY, formatted_metric
from shortstack.report.methods import label_of
from shortstack.result import Intervals, Metrics, Parameters, SelectionRecord

FEWEST_USERS: Final = 30
"""Test users below which intervals are resampled from too few to mean what they say, and nothing is claimed."""
_WHERE_IT_PAYS: Final = (
    " Its teacher learnt from the same data alone; compression pays where a teacher knows more, as a pretrained language "
    "model may: docs/results/smollm2-movielens.md."
)


def verdict(
    *,
    metrics: Metrics,
    comparisons: Intervals,
    parameters: Parameters,
    selection: SelectionRecord,
    selected_by: str = SELECTED_BY,
    cases: Mapping[str, Any] | None = None,
    speed: Mapping[str, Mapping[str, float]] | None = None,
    fresh_teacher: bool = False,
) -> str:
    """Return the verdict on a run, one statement per line: what compression cost and gave, then the other findings.

    Args:
        metrics: As in ``RunResult``.
        comparisons: As ``standard_comparisons`` returns them; missing ones are left out of the verdict.
        parameters: Parameters of teacher and student.
        selection: The kept layers.
        selected_by: The metric of the statements; higher is better.
        cases: As in ``RunResult``.
        speed: As in the ``cost`` of ``RunResult``.
        fresh_teacher: Whether the teacher was trained from scratch, on the run's data alone.
    """
    writer = _Verdict(comparisons=comparisons, metric=selected_by, fresh_teacher=fresh_teacher)
    users = (cases or {}).get("users")
    if users is not None and users < FEWEST_USERS:
        alone = [writer.built(parameters, selection), too_few(users), faster(speed or {}), repeated(cases or {})]
        return "\n".join(statement for statement in alone if statement)
    statements = [
        writer.kept(metrics, parameters, selection),
        faster(speed or {}),
        writer.against_pruned(),
        writer.against_scratch(),
        writer.student_against_baselines(),
        writer.against_baselines(),
        repeated(cases or {}),
    ]
    return "\n".join(statement for statement in statements if statement)


@attrs.frozen(kw_only=True)
class _Verdict:
    """Statements about one metric."""

    comparisons: Intervals
    metric: str
    fresh_teacher: bool

    @property
    def name(self) -> str:
        return formatted_metric(self.metric)

    def found(self, comparison: str) -> Sequence[float] | None:
        return self.comparisons.get(comparison, {}).get(self.metric)

    @staticmethod
    def built(parameters: Parameters, selection: SelectionRecord) -> str:
        return f"The student was built {_size(parameters, selection)}."

    def kept(self, metrics: Metrics, parameters: Parameters, selection: SelectionRecord) -> str:
        size = _size(parameters, selection)
        ratio = self.found("student/teacher")
        if ratio is None:
            return f"The student was built {size}; what share of the teacher's {self.name} it keeps is undefined."
        value, low, high = ratio
        student, teacher = metrics["student"][self.metric], metrics["teacher"][self.metric]
        return (
            f"The student keeps {value:.1%} of the teacher's {self.name} (95% interval {low:.1%} to {high:.1%}) {size}: "
            f"{student:.4f} against {teacher:.4f}."
        )

    def against_scratch(self) -> str:
        # only an interval wholly above or below 0 decides
        difference = self.found("student-scratch")
        if difference is None:
            return "No model of the student's size was trained without the teacher, so nothing shows that distillation paid."
        figures = f"{_signed(difference)} {self.name}"
        if difference[1] > 0:
            return f"Distillation paid: the student beats a model of its size trained from scratch ({figures})."
        if difference[2] < 0:
            return (
                "Distillation did not pay: a model of the student's size trained from scratch is better than the student "
                f"({figures} for the student). Train the small model directly.{self.where_it_pays}"
            )
        good = "is as good" if difference[0] > 0 else "is as good or better"
        return (
            f"A model of the student's size trained from scratch, without the teacher, {good} within the uncertainty "
            f"(student − scratch {figures}), so these data do not show that distillation paid.{self.where_it_pays}"
        )

    @property
    def where_it_pays(self) -> str:
        return _WHERE_IT_PAYS if self.fresh_teacher else ""

    def against_pruned(self) -> str:
        difference = self.found("student-pruned")
        if difference is None:
            return ""
        figures = f"{_signed(difference)} {self.name}"
        if difference[1] > 0:
            return f"Distillation repaired what cutting layers broke: {figures} over the pruned teacher."
        return f"Distillation did not measurably improve on the pruned teacher ({figures})."

    def student_against_baselines(self) -> str:
        """Return a warning if a baseline is clearly better than the student; otherwise empty."""
        better = [_lead(*one) for one in self.differences("student").items() if one[1][2] < 0]
        return f"The student is worse than {_listed(better)} in {self.name}: use that instead." if better else ""

    def against_baselines(self) -> str:
        known = self.differences("teacher")
        beaten = [_lead(*one) for one in known.items() if one[1][1] > 0]
        failed = [_lead(*one) for one in known.items() if one[1][1] <= 0]
        if failed:
            also = f", though it beats {_listed(beaten)}" if beaten else ""
            return (
                f"Be careful: the teacher does not clearly beat {_listed(failed)}{also}. A teacher that a baseline matches "
                "has little to teach, and these figures say little about compressing a good one."
            )
        return f"The teacher beats the baselines {_listed(beaten)} in {self.name}." if beaten else ""

    def differences(self, method: str) -> dict[str, Sequence[float]]:
        """Return the method's lead over each baseline, where it is defined."""
        against = [name.removeprefix(f"{method}-") for name in self.comparisons if name.startswith(f"{method}-")]
        # baselines of a task's or the run's own
        further = [name for name in against if name not in {*BASELINES, "teacher", "scratch", "pruned"}]
        leads = {baseline: self.found(f"{method}-{baseline}") for baseline in (*BASELINES, *further)}
        return {baseline: difference for baseline, difference in leads.items() if difference is not None}


def too_few(users: int) -> str:
    """Return the statement in place of all comparisons where there are too few test users."""
    counted = "one test user" if users == 1 else f"{users} test users"
    return (
        f"With {counted}, no comparison between models means anything: the figures are shown, and no claim is made. "
        f"Evaluate on {FEWEST_USERS} users or more."
    )


def _size(parameters: Parameters, selection: SelectionRecord) -> str:
    body = parameters["student_body"] / max(parameters["teacher_body"], 1)
    total = parameters["student"] / max(parameters["teacher"], 1)
    return (
        f"with {len(selection['kept'])} of {selection['of']} layers, {body:.0%} of the body's parameters "
        f"and {total:.0%} of all parameters"
    )


def faster(speed: Mapping[str, Mapping[str, float]]) -> str:
    """Compare the student's speed with the teacher's; empty where it was not measured."""
    if not {"student", "teacher"} <= speed.keys():
        return ""
    student, teacher = speed["student"], speed["teacher"]
    together, alone = times_as_fast(speed)
    return (
        f"The student is {together:.1f} × as fast as the teacher in batches of 32 users "
        f"({student['users_per_second']:,.0f} against {teacher['users_per_second']:,.0f} users a second), and {alone:.1f} × as "
        f"fast for one user alone ({student['ms_per_user_1']:,.1f} against {teacher['ms_per_user_1']:,.1f} ms)."
    )


def times_as_fast(speed: Mapping[str, Mapping[str, float]]) -> tuple[float, float]:
    """Return how many times as fast as the teacher the student is, in batches of 32 users and for one user alone."""
    student, teacher = speed["student"], speed["teacher"]
    together = student["users_per_second"] / teacher["users_per_second"]
    return together, teacher["ms_per_user_1"] / student["ms_per_user_1"]


def repeated(cases: Mapping[str, Any]) -> str:
    """Return the share of cases with a target in the history, and their treatment; empty where there are none."""
    left_out, repeats = cases.get("left_out", 0), cases.get("repeats", 0)
    every = cases.get("evaluated", 0) + left_out
    if left_out:
        return (
            f"{left_out:,} of {every:,} test cases ({left_out / every:.1%}) are left out: their targets are in the users' "
            "histories, whose items are no candidates (evaluation.seen = 'exclude')."
        )
    if repeats:
        return (
            f"{repeats / every:.1%} of the test targets are in the users' histories, whose items are candidates like all "
            "others, and are recommended (evaluation.seen = 'include')."
        )
    return ""


def _lead(baseline: str, difference: Sequence[float]) -> str:
    return f"{label_of(baseline)} ({_signed(difference)})"


def _signed(estimate: Sequence[float]) -> str:
    """Format a difference with its interval: ``+0.0021 [−0.0013, +0.0055]``."""
    value, low, high = estimate
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]".replace("-", "−")


def _listed(parts: Sequence[str]) -> str:
    """Join parts in a list.

    >>> _listed(["a"]), _listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
