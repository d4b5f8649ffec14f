"""A model with its items, the histories, and the task it is for: what the stages hand to each other."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.data.sequences import Seen, Sequences
from shortstack.errors import ConfigurationError
from shortstack.pipeline.seen_items import seen_by
from shortstack.pipeline.stage import Context
from shortstack.recommender import Recommender
from shortstack.run_layout import DATA, SEQUENCES
from shortstack.tasks import task_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from shortstack.data.catalogue import Catalogue
    from shortstack.evaluation.rankers import ModelRanker
    from shortstack.evaluation.raters import ModelRater
    from shortstack.tasks import Task


@attrs.frozen(kw_only=True, eq=False)
class StageModel:
    """All that a stage needs to train, measure or evaluate a model.

    Attributes:
        model: A stock causal language model on the run's device.
        catalogue: The items and their tokens.
        sequences: The histories.
        task: What the model is for.
        tokenizer: Of a language model.
        seen: Whether items of the history are candidates; whoever is given the model gets its recommendations so, too.
    """

    model: "PreTrainedModel"
    catalogue: "Catalogue"
    sequences: Sequences
    task: "Task"
    seen: Seen
    tokenizer: "PreTrainedTokenizerBase | None" = None

    @classmethod
    def of(
        cls,
        context: Context,
        model: "PreTrainedModel",
        catalogue: "Catalogue",
        tokenizer: "PreTrainedTokenizerBase | None" = None,
    ) -> "StageModel":
        """A model for the run's data and task, moved to the run's device."""
        return cls(
            tokenizer=tokenizer,
            model=model.to(context.device),
            catalogue=catalogue,
            sequences=Sequences.load(context.root / DATA / SEQUENCES),
            task=task_of(context.run.task),
            seen=seen_by(context),
        )

    @classmethod
    def load(cls, context: Context, folder: str) -> "StageModel":
        """What an earlier stage saved."""
        stored = Recommender.from_pretrained(context.root / folder, device=context.device)
        return cls.of(context, stored.model, stored.catalogue, stored.tokenizer)

    def save(self, folder: Path) -> None:
        """Write model and items for ``load``, and for anyone who has ``Recommender``."""
        stored = Recommender(
            model=self.model,
            catalogue=self.catalogue,
            window=self.task.window,
            tokenizer=self.tokenizer,
            seen=self.seen,
        )
        stored.save_pretrained(folder)

    @property
    def candidates(self) -> "Tensor":
        """int64 ``(candidates,)``: the token of each answer, on the model's device."""
        return self.task.candidates(self.catalogue).to(self.model.device)

    def known_candidates(self) -> "Tensor":
        """int64: the tokens of the items that are in somebody's training history, on the model's device."""
        import numpy as np

        seen = np.unique(self.sequences.items[self.sequences.splits == 0])
        return self.candidates[seen]

    def ranker(self) -> "ModelRanker":
        """The model as something that ranks items.

        Raises:
            ConfigurationError: The task ranks something else than the catalogue in its order.
        """
        from shortstack.evaluation.rankers import ModelRanker

        candidates = self.candidates
        if candidates.tolist() != self.catalogue.tokens:
            raise ConfigurationError(
                f"the candidates of {type(self.task).__name__} must be the catalogue's tokens, in its order"
            )
        return ModelRanker(
            model=self.model, candidates=candidates, window=self.task.window, opening=self.catalogue.opening
        )

    def rater(self) -> "ModelRater":
        """The model as something that rates items."""
        from shortstack.data.rated_histories import RatedHistories
        from shortstack.evaluation.raters import ModelRater

        histories = RatedHistories.of(self.sequences, self.catalogue)
        return ModelRater(model=self.model, histories=histories, options=self.candidates, window=self.task.window)
