"""What students keep of their teachers' quality, by what selected their layers."""

from shortstack.studies.analysis.problem import Setting, scorer_of
from shortstack.studies.analysis.summary import Summary


def kept_by_scorer(summary: Summary) -> dict[str, dict[str, float]]:
    """Return scorer → problem → the student's share of its teacher's quality, a mean over the settings of both."""
    shares: dict[str, dict[str, list[float]]] = {}
    for problem in summary.problems:
        for setting in problem.settings:
            kept = share_kept(setting, problem.metric)
            if kept is not None:
                shares.setdefault(scorer_of(setting), {}).setdefault(problem.label, []).append(kept)
    return {
        scorer: {problem: sum(values) / len(values) for problem, values in each.items()}
        for scorer, each in shares.items()
    }


def share_kept(setting: Setting, metric: str) -> float | None:
    """Return the student's mean over the seeds as a share of the teacher's; None where it is undefined."""
    student, teacher = setting.mean("student", metric), setting.mean("teacher", metric)
    return None if student is None or not teacher else student / teacher
