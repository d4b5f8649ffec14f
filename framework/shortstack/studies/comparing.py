"""Comparisons within a study: each setting's model against another of the same runs, or of another setting."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from shortstack.boundaries import refuse_text
from shortstack.errors import ConfigurationError, SourceNotFoundError, UnknownNameError
from shortstack.result import RunResult
from shortstack.studies.comparison import Comparisons, corrected
from shortstack.studies.grid import possible_words, short_names
from shortstack.studies.outcome import Outcome
from shortstack.studies.pairs import Side, pairing, require_share

SEED: Final = "seed"
_MISSING: Final = object()
VARIANT: Final = "variant"
Setting = Mapping[str, Any]
Runs = Mapping[Any, RunResult]
"""Seed → the finished run."""
Pairs = list[tuple[Side, Side]]
"""A model and its reference, for each seed."""


def compare_settings(
    folder: Path,
    axes: Sequence[str],
    outcomes: Sequence[Outcome],
    *,
    of: str,
    reference: str | Setting,
    metric: str | None,
    keeps: float,
    family: Sequence[str],
) -> Comparisons:
    """Compare; see ``StudyResult.compare``."""
    require_share(keeps)
    refuse_text("family", family)
    require_finished(folder, outcomes)
    settings = _settings(axes, outcomes)
    names = list(settings[0][0])
    chosen = _replaced(reference, of, settings, names)
    families = [_name(each, names) for each in family]
    model = str(reference) if chosen is None else of
    paired = _pairs_by_setting(settings, of, model, chosen or {})
    left_out = {in_words(setting): _why_not(runs, of) for setting, runs, pairs in paired if not pairs}
    if len(left_out) == len(paired):
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise SourceNotFoundError(f"{folder} has nothing to compare ({reasons or 'one setting alone'})")
    words = model if chosen is None else f"{of} of {in_words(chosen)}"
    pairings = [
        pairing(pairs, setting=setting, reference=words, metric=metric, keeps=keeps)
        for setting, _, pairs in paired
        if pairs
    ]
    return Comparisons(rows=tuple(corrected(pairings, families)), left_out=left_out)


def require_finished(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Raise if no run is finished.

    Raises:
        SourceNotFoundError: None is.
    """
    if all(outcome.result is None for outcome in outcomes):
        raise SourceNotFoundError(f"{folder} has no finished run yet; start the study again")


def in_words(setting: Setting) -> str:
    """Return a setting as the name of its run has it.

    >>> in_words({"variant": "tail", "selection.keep_ratio": 0.5}), in_words({})
    ('tail, keep_ratio=0.5', 'base')
    """
    shown = short_names([name for name in setting if name != VARIANT])
    variant = [str(setting[VARIANT])] if setting.get(VARIANT) else []
    words = [*variant, *(f"{short}={setting[name]}" for name, short in shown.items())]
    return ", ".join(words) or "base"


def _settings(axes: Sequence[str], outcomes: Sequence[Outcome]) -> list[tuple[dict[str, Any], dict[Any, RunResult]]]:
    """Return each setting with its finished runs, in order."""
    has_variants = any(outcome.variant for outcome in outcomes)
    settings: dict[tuple[Any, ...], tuple[dict[str, Any], dict[Any, RunResult]]] = {}
    for outcome in outcomes:
        values = {axis: outcome.values.get(axis) for axis in axes if axis != SEED}
        setting = {**({VARIANT: outcome.variant or None} if has_variants else {}), **values}
        _, runs = settings.setdefault(tuple(setting.items()), (setting, {}))
        if outcome.result is not None:
            runs[outcome.values.get(SEED)] = outcome.result
    return list(settings.values())


def _replaced(
    reference: str | Setting, of: str, settings: Sequence[tuple[Setting, Runs]], names: Sequence[str]
) -> Setting | None:
    """Return the settings that a reference has in place of each setting's own; None for another model of the same runs.

    Raises:
        UnknownNameError: There is no such model, variant, axis or value.
        ConfigurationError: It is the model itself.
    """
    models = dict.fromkeys(model for _, runs in settings for run in runs.values() for model in run.metrics)
    if of not in models:
        raise UnknownNameError("model of the finished runs:", of, models)
    if reference == of:
        raise ConfigurationError(f"{of!r} is compared with itself; name another model, or a variant, as the reference")
    if isinstance(reference, str) and reference in models:
        return None
    variants = dict.fromkeys(str(setting[VARIANT]) for setting, _ in settings if setting.get(VARIANT))
    if isinstance(reference, str):
        if reference not in variants:
            raise UnknownNameError("model or variant", reference, [*models, *variants])
        return {VARIANT: reference}
    chosen = {_name(name, names): value for name, value in reference.items()}
    return {name: _known(name, value, [setting[name] for setting, _ in settings]) for name, value in chosen.items()}


def _name(given: str, names: Sequence[str]) -> str:
    """Return the column that a name, whole or short, stands for.

    Raises:
        UnknownNameError: None.
    """
    whole = {short: name for name, short in short_names([name for name in names if name != VARIANT]).items()}
    name = whole.get(given, given)
    if name not in names:
        raise UnknownNameError("axis of the study", given, [*whole, *({VARIANT} & {*names})])
    return name


def _known(name: str, value: object, values: Iterable[object]) -> Any:
    """Return a value as the study's table has it, for a value that may be given as in the axis itself.

    Raises:
        UnknownNameError: The axis has no such value.
    """
    known = list(dict.fromkeys(values))
    words = next((each for each in possible_words(value) if each in known), _MISSING)
    if words is _MISSING:
        raise UnknownNameError(f"value of {name}", str(value), map(str, known))
    return words


def _pairs_by_setting(
    settings: Sequence[tuple[Setting, Runs]], of: str, model: str, chosen: Setting
) -> list[tuple[Setting, Runs, Pairs]]:
    """Return each setting with its runs and their pairs, except a setting that is itself the reference."""
    by_setting = {tuple(setting.items()): runs for setting, runs in settings}
    others = [tuple({**setting, **chosen}.items()) for setting, _ in settings]
    return [
        (setting, runs, _pairs(runs, of, by_setting.get(other, {}), model))
        for (setting, runs), other in zip(settings, others, strict=True)
        if not chosen or other != tuple(setting.items())
    ]


def _pairs(runs: Runs, of: str, others: Runs, model: str) -> Pairs:
    """Return the pairs of finished runs with one seed that have the models."""
    return [
        (Side(result=run, model=of), Side(result=others[seed], model=model))
        for seed, run in runs.items()
        if of in run.metrics and seed in others and model in others[seed].metrics
    ]


def _why_not(runs: Runs, of: str) -> str:
    if not runs:
        return "no run of it is finished"
    return (
        "its reference has no finished run of an equal seed"
        if any(of in run.metrics for run in runs.values())
        else f"it has no {of}"
    )
