"""How well is a rating predicted? By models and by floors: the most frequent rating, the mean, the user's own mean."""

from collections.abc import Sequence as Many
from typing import Protocol, get_args, runtime_checkable

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from shortstack.contracts.headlines import Headlines
from shortstack.data.sequences import Sequences, SplitName
from shortstack.errors import EmptyDataError, NonFiniteError
from shortstack.evaluation.bootstrap import Values
from shortstack.evaluation.evaluation import Evaluation
from shortstack.evaluation.rankers import evaluating
from shortstack.models.candidates import candidate_logits

RATING_HEADLINES = Headlines(metrics=("accuracy", "accuracy±0.5", "mae", "rmse"), selected_by="accuracy")
_NEAR = 0.5 + 1e-9
Rows = NDArray[np.int64]


@attrs.frozen(kw_only=True, eq=False)
class RatingCases:
    """Questions of the form "how was this rated?": one row each.

    Attributes:
        rows: int64 ``(cases,)``: where in the sequences the rated items stand.
        users: int64 ``(cases,)``.
        starts: int64 ``(cases,)``: where the user's history starts.
        ratings: int64: which option each interaction of the sequences was rated with.
        scale: float64 ``(options,)``: what each option is worth, ascending.
    """

    rows: Rows
    users: Rows
    starts: Rows
    ratings: Rows
    scale: Values

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def targets(self) -> Rows:
        """int64 ``(cases,)``: the right options."""
        return self.ratings[self.rows]

    @classmethod
    def of(cls, sequences: Sequences, scale: Many[float], split: SplitName) -> "RatingCases":
        """One case for each interaction of a split.

        Raises:
            EmptyDataError: The split has none.
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
            ratings=ratings,
            scale=np.array(scale, dtype=np.float64),
        )


@attrs.frozen(kw_only=True, eq=False)
class Predictions:
    """What was predicted for some cases.

    Attributes:
        values: float64 ``(cases,)``: the expected rating.
        options: int64 ``(cases,)``: the likeliest option.
        losses: float64 ``(cases,)``: ``−log p`` of the right option; None where no probabilities are given.
    """

    values: Values
    options: Rows
    losses: Values | None = None


@runtime_checkable
class Rater(Protocol):
    """Predicts ratings."""

    def predict(self, cases: RatingCases) -> Predictions:
        """Predict every case from what the user did before, and nothing else."""


@attrs.frozen(kw_only=True)
class RatingEvaluator:
    """Evaluates raters on cases.

    Attributes:
        resamples: How many bootstrap resamples an interval rests on.
        seed: Of the resamples.
    """

    resamples: int = attrs.field(default=1000, validator=attrs.validators.ge(1))
    seed: int = 0

    def evaluate(self, rater: Rater, cases: RatingCases) -> Evaluation:
        """``accuracy`` of the likeliest option; ``accuracy±0.5``, ``mae``, ``mse`` and ``rmse`` of the expected rating.

        Raises:
            NonFiniteError: A prediction is NaN or infinite.
        """
        predicted = rater.predict(cases)
        if not np.isfinite(predicted.values).all():
            raise NonFiniteError(f"{type(rater).__name__} predicts a NaN or infinite rating")
        errors = np.abs(predicted.values - cases.scale[cases.targets])
        values = {
            "accuracy": (predicted.options == cases.targets).astype(np.float64),
            "accuracy±0.5": (errors <= _NEAR).astype(np.float64),
            "mae": errors,
            "mse": errors**2,
            "rmse": errors**2,
            "loss": np.full(len(cases), np.nan) if predicted.losses is None else predicted.losses,
        }
        return Evaluation(
            values=values,
            users=cases.users,
            targets=cases.rows,
            resamples=self.resamples,
            seed=self.seed,
            of_means={"rmse": np.sqrt},
        )


@attrs.frozen(kw_only=True, eq=False)
class ConstantRater:
    """Predicts one rating for everything: the mode or the mean of what was rated before.

    Attributes:
        value: The rating.
    """

    value: float

    @classmethod
    def mode(cls, sequences: Sequences, scale: Many[float], upto: SplitName = "valid") -> "ConstantRater":
        """The most frequent rating of a split and of those before it; the lowest of equally frequent ones."""
        return cls(value=scale[int(np.bincount(_before(sequences, upto), minlength=len(scale)).argmax())])

    @classmethod
    def mean(cls, sequences: Sequences, scale: Many[float], upto: SplitName = "valid") -> "ConstantRater":
        """The mean rating of a split and of those before it."""
        return cls(value=float(np.array(scale)[_before(sequences, upto)].mean()))

    def predict(self, cases: RatingCases) -> Predictions:
        """The same for all."""
        return _points(np.full(len(cases), self.value), cases.scale)


@attrs.frozen(kw_only=True, eq=False)
class UserMean:
    """Predicts the mean of the user's own earlier ratings, or the mean of all where there are none.

    Attributes:
        otherwise: The mean of all.
    """

    otherwise: float

    @classmethod
    def fit(cls, sequences: Sequences, scale: Many[float], upto: SplitName = "valid") -> "UserMean":
        """Only the mean of all is learnt."""
        return cls(otherwise=ConstantRater.mean(sequences, scale, upto).value)

    def predict(self, cases: RatingCases) -> Predictions:
        """From the user's history alone."""
        worth = cases.scale[cases.ratings]
        sums = np.concatenate([[0.0], np.cumsum(worth)])
        counts = cases.rows - cases.starts
        own = (sums[cases.rows] - sums[cases.starts]) / np.maximum(counts, 1)
        return _points(np.where(counts > 0, own, self.otherwise), cases.scale)


@attrs.frozen(kw_only=True, eq=False)
class ModelRater:
    """A stock causal language model, asked for the rating after the item.

    Attributes:
        model: The model.
        tokens: int64: the tokens of all interactions, each an item and then its rating.
        options: int64 ``(options,)``: the tokens of the ratings.
        window: How many items the model sees, the one to be rated among them.
        batch_size: How many cases go through the model at once.
        pad: The token to the right of shorter histories; it is masked.
    """

    model: PreTrainedModel
    tokens: NDArray[np.int64]
    options: torch.Tensor
    window: int
    batch_size: int = 256
    pad: int = 0

    @torch.no_grad()
    def predict(self, cases: RatingCases) -> Predictions:
        """The likeliest option, and the mean of the ratings by their probabilities.

        Raises:
            NonFiniteError: A logit is NaN or infinite.
        """
        starts = np.maximum(cases.starts, cases.rows + 1 - self.window)
        by_length = np.argsort(cases.rows - starts, kind="stable")
        chances = np.zeros((len(cases), len(cases.scale)))
        with evaluating(self.model):
            for start in range(0, len(cases), self.batch_size):
                batch = by_length[start : start + self.batch_size]
                chances[batch] = self._log_chances(2 * starts[batch], 2 * cases.rows[batch] + 1)
        return Predictions(
            values=np.exp(chances) @ cases.scale,
            options=chances.argmax(1),
            losses=-chances[np.arange(len(cases)), cases.targets],
        )

    def _log_chances(self, starts: Rows, stops: Rows) -> Values:
        """float64 ``(batch, options)``: the log-probability of each rating after a piece of the tokens."""
        lengths = torch.from_numpy(stops - starts)[:, None]
        place = torch.arange(int(lengths.max()))[None]
        inputs = torch.full((len(starts), place.shape[1]), self.pad)
        for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            inputs[row, : stop - start] = torch.from_numpy(self.tokens[start:stop])
        device = self.model.device
        mask, last = (place < lengths).long().to(device), (place == lengths - 1).to(device)
        logits = candidate_logits(self.model, inputs.to(device), mask, last, self.options.to(device))
        if not bool(logits.isfinite().all()):
            raise NonFiniteError("the model's logits are NaN or infinite; it cannot rate items")
        found: Values = logits.double().log_softmax(-1).cpu().numpy()
        return found


def _before(sequences: Sequences, upto: SplitName) -> Rows:
    """The options of a split and of those before it."""
    found: Rows = sequences.rated()[sequences.splits <= get_args(SplitName).index(upto)]
    return found


def _points(values: Values, scale: Values) -> Predictions:
    """Single values, each with the option nearest to it; the lower of two."""
    return Predictions(values=values, options=np.abs(values[:, None] - scale[None]).argmin(1))
