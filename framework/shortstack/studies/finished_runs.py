"""Comparisons of finished runs, wherever their folders are: the first is the reference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from shortstack.contracts.headlines import KEEPS
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.pipeline.provenance import differences
from shortstack.result import RunResult
from shortstack.studies.comparison import Comparisons, corrected
from shortstack.studies.grid import in_words_apart
from shortstack.studies.pairs import Side, pairing, require_share

RUN: Final = "run"
"""Column of a run's name, beside the settings that differ."""
Given = str | Path | RunResult


def compare(
    runs: Sequence[Given], *, of: str = "student", metric: str | None = None, keeps: float = KEEPS
) -> Comparisons:
    """Compare a model of finished runs with that of the first, paired over the test users that two runs share.

    Each comparison is of two runs, so that intervals and tests are over users alone: trainings with another seed may differ by
    more. ``StudyResult.compare`` has both, for runs of several seeds.

    Args:
        runs: Folders of runs, or their results; the first is the reference.
        of: The model: ``"student"``, ``"pruned"``, ….
        metric: A headline metric; None for the one that models were selected by.
        keeps: Share of the first run's metric that is tested to be kept.

    Returns:
        A row for each run but the first; its ``setting`` holds ``run``, its name, and the settings that differ.

    Raises:
        SourceNotFoundError: A run is not finished, or an earlier version evaluated it.
        ConfigurationError: There are fewer than two runs, or one twice, or they are evaluated differently.
        UnknownNameError: A run has no such model or metric.
        DataError: Two runs share no test user.
    """
    require_share(keeps)
    results = _results(runs, of)
    first, *others = (Side(result=result, model=of) for result in results)
    reference = f"{of} of {first.result.folder}"
    pairings = [
        pairing([(side, first)], setting=setting, reference=reference, metric=metric, keeps=keeps)
        for side, setting in zip(others, settings_that_differ(results)[1:], strict=True)
    ]
    return Comparisons(rows=tuple(corrected(pairings)))


def _results(runs: Sequence[Given], of: str) -> list[RunResult]:
    """Return the results of two runs or more, each of which has a model."""
    if isinstance(runs, str | Path | RunResult) or len(runs) < 2:
        raise ConfigurationError(
            "one run has nothing to be compared with; name two runs or more, of which the first is the reference, or a study's "
            "folder"
        )
    results = [run if isinstance(run, RunResult) else RunResult.load(run) for run in runs]
    places = [None if result.folder is None else result.folder.resolve() for result in results]  # a/../a is a too
    twice = next((place for place in places if place is not None and places.count(place) > 1), None)
    if twice is not None:
        named = results[places.index(twice)].folder
        raise ConfigurationError(f"{named} is named twice; name each run once, the first as the reference")
    without = next((result for result in results if of not in result.metrics), None)
    if without is not None:
        raise UnknownNameError(f"model of the run in {without.folder}:", of, without.metrics)
    return results


def settings_that_differ(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """Return each run's name and its values of the settings in which any run differs from the first."""
    paths = dict.fromkeys(
        change.name for result in results[1:] for change in differences(results[0].config, result.config)
    )
    words = {path: in_words_apart([_at(result.config, path) for result in results]) for path in paths}
    return [
        {RUN: str(result.folder), **{path: words[path][place] for path in paths}}
        for place, result in enumerate(results)
    ]


def _at(settings: Mapping[str, Any], path: str) -> Any:
    """Return a setting by its path, of which a name may hold dots itself; None where it is not set."""
    for name, value in settings.items():
        if name == path:
            return value
        if path.startswith(f"{name}.") and isinstance(value, Mapping):
            return _at(value, path.removeprefix(f"{name}."))
    return None
