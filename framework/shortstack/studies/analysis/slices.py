"""Errors by slices of the test cases: means over a problem's settings and seeds."""

from shortstack.studies.analysis.problem import Problem

_MODELS = ("teacher", "student", "pruned", "scratch")


def sliced(problem: Problem) -> dict[str, dict[str, float]]:
    """Return slice → model → the mean of the selecting metric on it; ``all`` is the metric on all cases.

    A slice without cases, and a model that was not made, are left out.
    """
    names = {"all": problem.metric, **_slices(problem)}
    values = {name: _means(problem, metric) for name, metric in names.items()}
    return {name: means for name, means in values.items() if means} if len(names) > 1 else {}


def _slices(problem: Problem) -> dict[str, str]:
    """Return slice → the metric on it, such as ``ndcg@10/head``, of the first run."""
    metrics = problem.example.metrics.get("student", {})
    return {name.partition("/")[2]: name for name in metrics if name.startswith(f"{problem.metric}/")}


def _means(problem: Problem, metric: str) -> dict[str, float]:
    values = {
        model: [value for setting in problem.settings for value in setting.values_of(model, metric)]
        for model in _MODELS
    }
    return {model: sum(each) / len(each) for model, each in values.items() if each}
