"""What a study shows, in sentences whose figures are all from its results."""

from collections import Counter
from collections.abc import Iterator, Sequence

from shortstack.contracts.headlines import BASELINES, KEEPS, formatted_metric
from shortstack.report.verdict import FEWEST_USERS
from shortstack.result import RunResult
from shortstack.studies.analysis.problem import Problem
from shortstack.studies.analysis.scorers import share_kept
from shortstack.studies.analysis.summary import Summary


def findings(summary: Summary) -> list[str]:
    """Return the statements, how far the study is first."""
    return [how_far(summary), *(line for problem in summary.problems for line in _of_problem(summary, problem))]


def how_far(summary: Summary) -> str:
    """Say how many runs are finished, failed, and still to be done."""
    counts = {status: sum(each.status == status for each in summary.outcomes) for status in _STATUSES}
    rest = [f"{count} {status}" for status, count in counts.items() if count and status != "finished"]
    return f"{counts['finished']} of {len(summary.outcomes)} runs finished{''.join(f', {part}' for part in rest)}."


_STATUSES = ("finished", "failed", "unfinished")


def _of_problem(summary: Summary, problem: Problem) -> Iterator[str]:
    results = [result for setting in problem.settings for result in setting.results]
    head = f"{problem.label}: " if len(summary.problems) > 1 else ""
    users = min((result.cases.get("users", FEWEST_USERS) for result in results), default=FEWEST_USERS)
    if users < FEWEST_USERS:
        yield f"{head}{users} test users are too few for any claim; evaluate on {FEWEST_USERS} or more."
        return
    for statement in (_range_kept(problem), _tested(summary, problem), _against_scratch(results), _teachers(results)):
        if statement:
            yield head + statement if head else statement[0].upper() + statement[1:]


def _range_kept(problem: Problem) -> str:
    kept = {
        setting.label: share
        for setting in problem.settings
        if (share := share_kept(setting, problem.metric)) is not None
    }
    if not kept:
        return ""
    least, most = min(kept, key=lambda label: kept[label]), max(kept, key=lambda label: kept[label])
    metric = formatted_metric(problem.metric)
    if len(kept) == 1:
        return f"students keep {kept[least]:.1%} of their teacher's {metric}."
    return f"students keep {kept[least]:.1%} ({least}) to {kept[most]:.1%} ({most}) of their teacher's {metric}."


def _tested(summary: Summary, problem: Problem) -> str:
    verdicts = Counter(summary.kept[setting].verdict for setting in problem.settings if setting in summary.kept)
    if not verdicts:
        return ""
    keeping = verdicts["equivalent"] + verdicts["non-inferior"]
    return (
        f"of {verdicts.total()} settings, {keeping} keep at least {KEEPS:.0%} of the teacher's quality, {verdicts['inferior']} keep less, and "
        f"of {verdicts['inconclusive']} the data do not say (5%, corrected by Holm)."
    )


def _against_scratch(results: Sequence[RunResult]) -> str:
    leads = [
        lead for result in results if (lead := result.comparisons.get("student-scratch", {}).get(result.selected_by))
    ]
    if not leads:
        return ""
    better, worse = sum(low > 0 for _, low, _ in leads), sum(high < 0 for _, _, high in leads)
    return (
        f"in {better} of {len(leads)} runs the student is clearly better than a model of its size trained from scratch, in "
        f"{worse} clearly worse, by the 95% interval over users."
    )


def _teachers(results: Sequence[RunResult]) -> str:
    doubtful = sum(any(low <= 0 for low in _leads(result)) for result in results)
    if not doubtful:
        return ""
    return (
        f"in {doubtful} of {len(results)} runs the teacher does not clearly beat every baseline without training: such a "
        "teacher has little to teach."
    )


def _leads(result: RunResult) -> list[float]:
    """Return the lower ends of the teacher's leads over the baselines."""
    compared = (result.comparisons.get(f"teacher-{name}", {}).get(result.selected_by) for name in BASELINES)
    return [estimate[1] for estimate in compared if estimate]
