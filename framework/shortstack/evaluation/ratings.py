"""Evaluation of predicted ratings: cases, predictions and metrics."""

from collections.abc import Sequence as Many
from typing import Protocol, get_args, runtime_checkable

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.data.sequences import Sequences, SplitName
from shortstack.errors import ConfigurationError, EmptyDataError, NonFiniteError
from shortstack.evaluation.bootstrap import Values
from shortstack.evaluation.calibration_curve import calibration_curve
from shortstack.evaluation.custom import CustomMetric
from shortstack.evaluation.evaluation import Evaluation
from shortstack.evaluation.rated_lists import rated_lists
from shortstack.registry.isolation import errors_of_others

_NEAR = 0.5 + 1e-9  # an error of exactly 0.5 counts as near, whatever the rounding
Rows = NDArray[np.int64]


@attrs.frozen(kw_only=True, eq=False)
class RatingCases:
    """Questions of the form "how was this rated?": one row each.

    Attributes:
        rows: int64 ``(cases,)``: indices of the rated items in the sequences.
        users: int64 ``(cases,)``.
        starts: int64 ``(cases,)``: start of the user's known history.
        seen: int64 ``(cases,)``: its end, exclusive; later interactions are not known yet.
        ratings: int64: index of the option with which each interaction of the sequences was rated.
        scale: float64 ``(options,)``: the rating of each option, ascending.
    """

    rows: Rows
    users: Rows
    starts: Rows
    seen: Rows
    ratings: Rows
    scale: Values

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def targets(self) -> Rows:
        """int64 ``(cases,)``: the options that were chosen."""
        return self.ratings[self.rows]

    def at(self, places: Rows) -> "RatingCases":
        """Return the cases with these indices."""
        chosen = {name: getattr(self, name)[places] for name in ("rows", "users", "starts", "seen")}
        return attrs.evolve(self, **chosen)

    def lists(self) -> "tuple[RatingCases, Rows]":
        """Return the cases of users with different ratings, each with the user's first history, and their indices.

        With one history, a user's predictions use the same information, so that they can be ordered against each other.
        """
        _, first, users = np.unique(self.users, return_index=True, return_inverse=True)
        worth = self.scale[self.targets]
        least, most = np.full(len(first), np.inf), np.full(len(first), -np.inf)
        np.minimum.at(least, users, worth)
        np.maximum.at(most, users, worth)
        places = np.flatnonzero((least < most)[users])
        return attrs.evolve(self.at(places), seen=self.seen[first][users][places]), places

    @classmethod
    def of(cls, sequences: Sequences, scale: Many[float], split: SplitName) -> "RatingCases":
        """Return one case for each interaction of a split.

        Raises:
            EmptyDataError: The split has no interactions.
            ConfigurationError: There are no ratings.
        """
        ratings = sequences.rated()
        rows = np.flatnonzero(sequences.splits == get_args(SplitName).index(split))
        if not len(rows):
            raise EmptyDataError(f"the split {split!r} has no interactions; use more data or another split")
        users = np.searchsorted(sequences.offsets, rows, side="right") - 1
        return cls(
            rows=rows,
            users=users,
            starts=sequences.offsets[users],
            seen=rows,
            ratings=ratings,
            scale=np.array(scale, dtype=np.float64),
        )


@attrs.frozen(kw_only=True, eq=False)
class Predictions:
    """Predictions for some cases.

    Attributes:
        values: float64 ``(cases,)``: the expected rating.
        options: int64 ``(cases,)``: the likeliest option.
        chances: float64 ``(cases, options)``: the probability of each option; None for raters without probabilities.
    """

    values: Values
    options: Rows
    chances: Values | None = None


@runtime_checkable
class Rater(Protocol):
    """Predicts ratings."""

    def predict(self, cases: RatingCases) -> Predictions:
        """Predict every case from the user's interactions from ``starts`` to ``seen`` alone."""


def predictions_of(rater: Rater, cases: RatingCases) -> Predictions:
    """Return a rater's predictions, checked except for what is not finite.

    Raises:
        ConfigurationError: It gave something else than ``Predictions``, or not one a case.
        PluginError: A rater that is not ours fails.
    """
    name, count = type(rater).__name__, len(cases)
    with errors_of_others(rater, "rater"):
        predicted: object = rater.predict(cases)
    if not isinstance(predicted, Predictions):
        raise ConfigurationError(
            f"{name} gave a {type(predicted).__name__}; a rater's predict(cases) gives shortstack.evaluation.ratings.Predictions"
        )
    shapes = {"values": (count,), "options": (count,), "chances": (count, len(cases.scale))}
    for field, shape in shapes.items():
        given = getattr(predicted, field)
        # numpy would repeat one number for all cases
        if np.shape(given) != shape and (field != "chances" or given is not None):
            raise ConfigurationError(
                f"{name} gave {field} of shape {np.shape(given)}, where {count} cases need the shape {shape}"
            )
    return predicted


@attrs.frozen(kw_only=True)
class RatingEvaluator:
    """Evaluates raters on cases.

    Attributes:
        resamples: Number of bootstrap resamples of an interval.
        seed: Seed of the resamples.
        lists: Evaluate the order of each user's items too, which takes predictions of its own.
        metrics: More metrics, functions of ``predicted, actual``; see ``shortstack.evaluation.custom``.
    """

    resamples: int = attrs.field(default=1000, validator=attrs.validators.ge(1))
    seed: int = 0
    lists: bool = True
    metrics: tuple[CustomMetric, ...] = ()

    def evaluate(self, rater: Rater, cases: RatingCases) -> Evaluation:
        """Return ``accuracy`` of the likeliest option, and error metrics of the expected rating.

        The latter are ``accuracy±0.5``, ``mae``, ``mse`` and ``rmse``. If a user has test items of different ratings,
        also ranking metrics of their order by the expected rating, with all of them predicted from the user's history
        before the first (``rated_lists``); with probabilities, also ``loss`` (``−log p`` of the chosen option) and the
        calibration curve.

        Raises:
            NonFiniteError: A prediction is NaN or infinite.
        """
        predicted = predictions_of(rater, cases)
        if not np.isfinite(predicted.values).all():
            raise NonFiniteError(f"{type(rater).__name__} predicts a NaN or infinite rating")
        right, errors = predicted.options == cases.targets, np.abs(predicted.values - cases.scale[cases.targets])
        values = {
            "accuracy": right.astype(np.float64),
            "accuracy±0.5": (errors <= _NEAR).astype(np.float64),
            "mae": errors,
            "mse": errors**2,
            "rmse": errors**2,
            **(_ordered(rater, cases, predicted.values) if self.lists else {}),
            "loss": np.full(len(cases), np.nan),
        }
        actual = cases.scale[cases.targets]
        # copies, because a custom metric may write to its arguments
        values |= {m.name: m.values(len(cases), predicted.values, actual) for m in self.metrics}
        curve = None
        if predicted.chances is not None:
            each = np.arange(len(cases))
            # bounded, because a probability that underflows to 0 would make the loss infinite
            values["loss"] = -np.log(np.maximum(predicted.chances[each, cases.targets], np.finfo(np.float64).tiny))
            curve = calibration_curve(predicted.chances[each, predicted.options], right)
        return Evaluation(
            values=values,
            users=cases.users,
            targets=cases.rows,
            resamples=self.resamples,
            seed=self.seed,
            of_means={"rmse": np.sqrt},
            calibration=curve,
        )


def _ordered(rater: Rater, cases: RatingCases, values: Values) -> dict[str, Values]:
    """Return metrics over users' lists, each value at the first of its user's cases; empty if there are no lists.

    The prediction of a user's first case is the same in the list, so only the others are predicted again.
    """
    lists, places = cases.lists()
    if not len(lists):
        return {}
    predicted, others = values[places], np.flatnonzero(lists.seen != cases.seen[places])
    predicted[others] = predictions_of(rater, lists.at(others)).values
    worth = lists.scale[lists.targets]
    gains = worth - min(0.0, float(cases.scale.min()))  # a gain below 0 would make the best order not the best
    metrics = rated_lists(predicted, gains, lists.users)
    metrics_by_case = {name: np.full(len(cases), np.nan) for name in metrics}
    for name, list_values in metrics.items():
        metrics_by_case[name][places] = list_values
    return metrics_by_case
