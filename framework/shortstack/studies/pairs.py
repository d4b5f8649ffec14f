"""Pairs of models of finished runs, case by case."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np

from shortstack.errors import ConfigurationError, DataError, UnknownNameError
from shortstack.evaluation.statistics.paired import paired
from shortstack.evaluation.statistics.samples import Totals
from shortstack.pipeline.provenance import Difference, differences, in_words
from shortstack.result import RunResult
from shortstack.studies.comparison import Pairing

_SAME: Final = ("task.name", "data.split", "data.valid_share", "data.test_share", "evaluation.protocol")
"""Settings without which the values of two runs are of other questions."""


@attrs.frozen(kw_only=True)
class Side:
    """A model of a run.

    Attributes:
        result: The run.
        model: The model's name.
    """

    result: RunResult
    model: str

    def totals(self, metric: str) -> Totals:
        """Read the model's values of a metric, by user."""
        table = self.result.case_values([self.model])
        return Totals.of(table["user"].to_numpy(), table[metric].cast(float).fill_null(np.nan).to_numpy())


def pairing(
    pairs: Sequence[tuple[Side, Side]], *, setting: Mapping[str, Any], reference: str, metric: str | None, keeps: float
) -> Pairing:
    """Compare a model with another, over the pairs of runs.

    Args:
        pairs: The model and its reference, in each pair.
        setting: As of ``Comparison``.
        reference: The reference in words.
        metric: The metric; None for the one that models were selected by.
        keeps: The share to keep.

    Raises:
        ConfigurationError: The runs ask different questions, or have no such metric.
        DataError: Two runs share no test user.
    """
    for pair in pairs:
        _require_comparable(*pair)
    metric = _metric(pairs, metric)
    firsts, seconds = ([side.totals(metric) for side in sides] for sides in zip(*pairs, strict=True))
    for (first, second), ours, theirs in zip(pairs, firsts, seconds, strict=True):
        _require_shared(first, second, ours, theirs)
    figures = paired(firsts, seconds, metric=metric, keeps=keeps)
    return Pairing(
        setting=setting, metric=metric, of=pairs[0][0].model, reference=reference, paired=figures, keeps=keeps
    )


def require_share(keeps: float) -> None:
    """Raise unless a share to keep is one.

    Raises:
        ConfigurationError: It is not above 0 and at most 1.
    """
    if isinstance(keeps, bool) or not isinstance(keeps, int | float) or not 0 < keeps <= 1:
        raise ConfigurationError(f"keeps must be a share above 0 and at most 1, such as 0.98, got {keeps!r}")


def _metric(pairs: Sequence[tuple[Side, Side]], metric: str | None) -> str:
    """Return the metric to compare, which every run has.

    Raises:
        UnknownNameError: A run has no such metric case by case.
        ConfigurationError: Models were selected by different metrics.
    """
    results = [side.result for pair in pairs for side in pair]
    selected = list(dict.fromkeys(result.selected_by for result in results))
    if metric is None and len(selected) > 1:
        raise ConfigurationError(
            f"the models were selected by different metrics, {' and '.join(selected)}; name one to compare them by"
        )
    for result in results:
        if (metric or selected[0]) not in result.headlines["metrics"]:
            raise UnknownNameError(
                f"headline metric of {result.folder}:", metric or selected[0], result.headlines["metrics"]
            )
    return metric or selected[0]


def _require_comparable(first: Side, second: Side) -> None:
    """Raise if two runs are evaluated differently.

    Raises:
        ConfigurationError: They are.
    """
    changes = [each for each in _changes(first, second) if each.name in _SAME]
    if changes:
        ours, theirs = in_words(changes)
        raise ConfigurationError(
            f"{first.result.folder} and {second.result.folder} cannot be compared, for they are evaluated differently: {ours} and "
            f"{theirs}; compare runs that differ in other settings"
        )


def _require_shared(first: Side, second: Side, ours: Totals, theirs: Totals) -> None:
    """Raise if two runs have no test user in common.

    Raises:
        DataError: They have none.
    """
    if np.isin(ours.keys, theirs.keys, assume_unique=True).any():
        return
    of_data = [each for each in _changes(first, second) if each.name.startswith("data.") or each.name == "seed"]
    why = " and ".join(in_words(of_data)) if of_data else "other files"
    raise DataError(
        f"{first.result.folder} ({len(ours.keys):,} test users) and {second.result.folder} ({len(theirs.keys):,}) share no test "
        f"user, so nothing is paired: their data have {why}; compare runs of the same data"
    )


def _changes(first: Side, second: Side) -> list[Difference]:
    return list(differences(first.result.config, second.result.config))
