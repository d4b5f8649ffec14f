"""Raters: a model, and the baselines: the most frequent rating, the mean, and the user's own mean."""

from collections.abc import Iterator
from collections.abc import Sequence as Many
from typing import get_args

import attrs
import numpy as np
import torch
from transformers import PreTrainedModel

from shortstack.data.rated_histories import RatedHistories
from shortstack.data.sequences import Sequences, SplitName
from shortstack.errors import NonFiniteError
from shortstack.evaluation.bootstrap import Values
from shortstack.evaluation.ratings import Predictions, RatingCases, Rows
from shortstack.models.candidates import last_logits
from shortstack.models.frozen import evaluation_copy
from shortstack.processes import ALONE, World


@attrs.frozen(kw_only=True, eq=False)
class ConstantRater:
    """Baseline that predicts one rating for everything: the mode or the mean of earlier ratings.

    Attributes:
        value: The rating.
    """

    value: float

    @classmethod
    def mode(cls, sequences: Sequences, scale: Many[float], upto: SplitName = "valid") -> "ConstantRater":
        """Return a rater with the most frequent rating of a split and of those before it; the lowest if tied."""
        return cls(value=scale[int(np.bincount(_before(sequences, upto), minlength=len(scale)).argmax())])

    @classmethod
    def mean(cls, sequences: Sequences, scale: Many[float], upto: SplitName = "valid") -> "ConstantRater":
        """Return a rater with the mean rating of a split and of those before it."""
        return cls(value=float(np.array(scale)[_before(sequences, upto)].mean()))

    def predict(self, cases: RatingCases) -> Predictions:
        """Predict the same rating for all cases."""
        return _points(np.full(len(cases), self.value), cases.scale)


@attrs.frozen(kw_only=True, eq=False)
class UserMean:
    """Baseline that predicts the mean of the user's own earlier ratings, or the overall mean if there are none.

    Attributes:
        otherwise: The overall mean.
    """

    otherwise: float

    @classmethod
    def fit(cls, sequences: Sequences, scale: Many[float], upto: SplitName = "valid") -> "UserMean":
        """Return a rater with the overall mean, its only parameter."""
        return cls(otherwise=ConstantRater.mean(sequences, scale, upto).value)

    def predict(self, cases: RatingCases) -> Predictions:
        """Predict from the user's history alone."""
        worth = cases.scale[cases.ratings]
        sums = np.concatenate([[0.0], np.cumsum(worth)])
        counts = cases.seen - cases.starts
        means = (sums[cases.seen] - sums[cases.starts]) / np.maximum(counts, 1)
        return _points(np.where(counts > 0, means, self.otherwise), cases.scale)


@attrs.frozen(kw_only=True, eq=False)
class ModelRater:
    """A stock causal language model that predicts the rating token after the item.

    Attributes:
        model: The model; it is run in evaluation mode, and its modules' own modes are not changed.
        histories: The users' rated histories, in the model's tokens.
        options: int64 ``(options,)``: the tokens of the ratings.
        window: Number of items in the model's input, including the one to be rated.
        tokens: Largest number of tokens per batch, padding included; a batch has at least one case.
        pad: The token to the right of shorter histories; it is masked.
        world: The processes that share the cases, all of which predict the same ones.
    """

    model: PreTrainedModel
    histories: RatedHistories
    options: torch.Tensor
    window: int
    tokens: int = attrs.field(default=16_384, validator=attrs.validators.ge(1))
    pad: int = 0
    world: World = ALONE

    @torch.no_grad()
    def predict(self, cases: RatingCases) -> Predictions:
        """Return the likeliest option, and the expected rating.

        Raises:
            NonFiniteError: A logit is NaN or infinite.
        """
        starts = np.maximum(cases.starts, cases.seen + 1 - self.window)
        chances = np.zeros((len(cases), len(cases.scale)))
        model = evaluation_copy(self.model)

        def answer(batch: Rows) -> Values:
            parts = zip(starts[batch], cases.seen[batch], cases.rows[batch], strict=True)
            return self._chances(model, [self.histories.question(*part) for part in parts])

        batches = list(self._batches(self.histories.question_lengths(starts, cases.seen, cases.rows)))
        for batch, answers in zip(batches, self.world.map(answer, batches), strict=True):
            chances[batch] = answers
        return Predictions(values=chances @ cases.scale, options=chances.argmax(1), chances=chances)

    def _batches(self, lengths: Rows) -> Iterator[Rows]:
        """Yield batches of cases of similar length, of at most ``tokens`` tokens."""
        left = np.argsort(-lengths, kind="stable")  # longest first: the first case of a batch is as wide as its padding
        while len(left):
            room = max(1, self.tokens // int(lengths[left[0]]))
            yield left[:room]
            left = left[room:]

    def _chances(self, model: PreTrainedModel, questions: list[list[int]]) -> Values:
        """Return the probability of each rating after each question, float64 ``(questions, options)``."""
        rows = [torch.tensor(question) for question in questions]
        logits = last_logits(model, rows, self.options.to(model.device), pad=self.pad)
        if not bool(logits.isfinite().all()):
            raise NonFiniteError("the model's logits are NaN or infinite; it cannot rate items")
        probabilities: Values = logits.double().softmax(-1).cpu().numpy()
        return probabilities


def _before(sequences: Sequences, upto: SplitName) -> Rows:
    """Return the options chosen in a split and in those before it."""
    options: Rows = sequences.rated()[sequences.splits <= get_args(SplitName).index(upto)]
    return options


def _points(values: Values, scale: Values) -> Predictions:
    """Return point predictions, each with the nearest option; the lower one if tied."""
    return Predictions(values=values, options=np.abs(values[:, None] - scale[None]).argmin(1))
