"""Which of the teacher's layers a setting's students have."""

from shortstack.studies.analysis.problem import Setting


def shares_of(setting: Setting) -> list[float]:
    """Return, for each of the teacher's layers, the share of the runs whose student has it."""
    kept = [result.selection["kept"] for result in setting.results]
    layers = max(result.selection["of"] for result in setting.results)
    return [sum(layer in each for each in kept) / len(kept) for layer in range(layers)]
