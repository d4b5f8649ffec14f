"""Training curves of settings: the validation metric by step, means over the seeds."""

from shortstack.result import RunResult
from shortstack.studies.analysis.problem import Setting


def curve_of(setting: Setting, model: str, metric: str) -> dict[float, float]:
    """Return step → the mean of the validation metric, at the steps where every seed was still training."""
    curves = [curve for result in setting.results if (curve := _measured(result, model, metric))]
    if not curves:
        return {}
    shared = sorted(set.intersection(*(set(curve) for curve in curves)))
    return {step: sum(curve[step] for curve in curves) / len(curves) for step in shared}


def _measured(result: RunResult, model: str, metric: str) -> dict[float, float]:
    points = result.cost.get("training", {}).get(model, ())
    return {point["step"] or 0: value for point in points if (value := point.get(metric)) is not None}
