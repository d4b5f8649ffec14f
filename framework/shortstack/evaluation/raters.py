"""Who can be asked for a rating: a model, or a floor: the most frequent rating, the mean, the user's own mean."""

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
        counts = cases.seen - cases.starts
        own = (sums[cases.seen] - sums[cases.starts]) / np.maximum(counts, 1)
        return _points(np.where(counts > 0, own, self.otherwise), cases.scale)


@attrs.frozen(kw_only=True, eq=False)
class ModelRater:
    """A stock causal language model, asked for the rating after the item.

    Attributes:
        model: The model; it answers as in evaluation mode, whatever its own modules' modes, which stay as they are.
        histories: What the users rated, in the model's tokens.
        options: int64 ``(options,)``: the tokens of the ratings.
        window: How many items the model sees, the one to be rated among them.
        tokens: How many go through the model at once, padding included; at least one case does.
        pad: The token to the right of shorter histories; it is masked.
    """

    model: PreTrainedModel
    histories: RatedHistories
    options: torch.Tensor
    window: int
    tokens: int = attrs.field(default=16_384, validator=attrs.validators.ge(1))
    pad: int = 0

    @torch.no_grad()
    def predict(self, cases: RatingCases) -> Predictions:
        """The likeliest option, and the mean of the ratings by their probabilities.

        Raises:
            NonFiniteError: A logit is NaN or infinite.
        """
        starts = np.maximum(cases.starts, cases.seen + 1 - self.window)
        chances = np.zeros((len(cases), len(cases.scale)))
        model = evaluation_copy(self.model)
        for batch in self._batches(self.histories.question_lengths(starts, cases.seen, cases.rows)):
            parts = zip(starts[batch], cases.seen[batch], cases.rows[batch], strict=True)
            chances[batch] = self._chances(model, [self.histories.question(*part) for part in parts])
        return Predictions(values=chances @ cases.scale, options=chances.argmax(1), chances=chances)

    def _batches(self, lengths: Rows) -> Iterator[Rows]:
        """Cases of about one length together, as many as ``tokens`` has room for."""
        left = np.argsort(-lengths, kind="stable")
        while len(left):
            room = max(1, self.tokens // int(lengths[left[0]]))
            yield left[:room]
            left = left[room:]

    def _chances(self, model: PreTrainedModel, questions: list[list[int]]) -> Values:
        """float64 ``(questions, options)``: the probability of each rating after a question."""
        rows = [torch.tensor(question) for question in questions]
        logits = last_logits(model, rows, self.options.to(model.device), pad=self.pad)
        if not bool(logits.isfinite().all()):
            raise NonFiniteError("the model's logits are NaN or infinite; it cannot rate items")
        found: Values = logits.double().softmax(-1).cpu().numpy()
        return found


def _before(sequences: Sequences, upto: SplitName) -> Rows:
    """The options of a split and of those before it."""
    found: Rows = sequences.rated()[sequences.splits <= get_args(SplitName).index(upto)]
    return found


def _points(values: Values, scale: Values) -> Predictions:
    """Single values, each with the option nearest to it; the lower of two."""
    return Predictions(values=values, options=np.abs(values[:, None] - scale[None]).argmin(1))
