"""SASRec, the usual sequential baseline: two small layers of causal self-attention, trained from scratch on item ids."""

from collections.abc import Mapping
from itertools import product
from math import ceil
from typing import Any, Final

import attrs

from shortstack.config.training import FitSettings

LAYERS: Final = 2
BATCH: Final = 64
"""Windows per optimiser step."""
EPOCHS: Final = 20
"""Passes over the windows, at the end of which the learning rate is 0."""
LEAST_STEPS: Final = 1000
"""Steps of a training where so many epochs have fewer."""
VALIDATIONS: Final = 20
"""Times that a training is validated, evenly spaced."""
PATIENCE: Final = 5
"""Validations without a better result after which it ends before that."""


@attrs.frozen
class SASRec:
    """Setting of a self-attentive sequential recommender: a stock GPT-2 of the paper's shape, with tied output rows.

    Pre-norm blocks with one head, learned positions, a ReLU between two matrices of the model's width, and dropout. It is trained by
    the cross-entropy over the whole catalogue, with which it is much better than with the paper's one negative per item.

    Source: Kang & McAuley 2018, Self-Attentive Sequential Recommendation, arXiv 1808.09781, section III; the loss:
    Klenitskiy & Vasilev 2023, Turning Dross Into Gold Loss, arXiv 2309.07602, equation 2.

    Attributes:
        width: Channels of the item embeddings and of the layers.
        dropout: Dropout of the embeddings, the attention weights and the residual branches.
        learning_rate: Peak learning rate.
    """

    width: int
    dropout: float
    learning_rate: float

    def config(self, positions: int) -> Mapping[str, Any]:
        """Return the model type and the fields of its config.

        Args:
            positions: Largest number of tokens of an example.
        """
        return {
            "model_type": "gpt2",
            "n_layer": LAYERS,
            "n_head": 1,
            "n_embd": self.width,
            "n_inner": self.width,
            "n_positions": positions,
            "activation_function": "relu",
            "embd_pdrop": self.dropout,
            "attn_pdrop": self.dropout,
            "resid_pdrop": self.dropout,
        }

    def fit(self, examples: int) -> FitSettings:
        """Return the settings of a training on a number of examples."""
        steps = max(EPOCHS * ceil(examples / BATCH), LEAST_STEPS)
        return FitSettings(
            steps=steps,
            batch_size=BATCH,
            learning_rate=self.learning_rate,
            warmup_steps=0,
            weight_decay=0.0,
            evaluate_every=ceil(steps / VALIDATIONS),
            patience=PATIENCE,
        )


GRID: Final = tuple(SASRec(*setting) for setting in product((64,), (0.2, 0.5), (1e-3, 3e-3)))
"""Settings of which the validation users choose one; the width is that of Klenitskiy & Vasilev on all data sets but the largest."""
