"""A model with its items, histories and task, as stages pass it to each other."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.data.sequences import Seen, Sequences
from shortstack.errors import ConfigurationError, RunFolderError
from shortstack.pipeline.seen_items import seen_by
from shortstack.pipeline.stage import Context
from shortstack.processes import ALONE, World
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
    """A model with all that a stage needs to train, measure or evaluate it.

    Attributes:
        model: A stock causal language model on the run's device.
        catalogue: The items and their tokens.
        sequences: The histories.
        task: The model's task.
        tokenizer: A language model's tokenizer; None for a model of item tokens alone.
        seen: Whether items of the history are candidates; stored with the model, whose recommendations follow it.
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
        """Combine a model with the run's data and task, and move it to the run's device, or where it waits to be divided."""
        return cls(
            tokenizer=tokenizer,
            model=model.to(context.place),
            catalogue=catalogue,
            sequences=Sequences.load(context.root / DATA / SEQUENCES),
            task=task_of(context.run.task),
            seen=seen_by(context),
        )

    @classmethod
    def load(cls, context: Context, folder: str) -> "StageModel":
        """Load the model that an earlier stage saved, to change or train it."""
        stored = Recommender.from_pretrained(context.root / folder, device=context.place)
        return cls.of(context, stored.model, stored.catalogue, stored.tokenizer)

    @classmethod
    def on_device(cls, context: Context, folder: str) -> "StageModel":
        """Load the model that an earlier stage saved, whole, onto this process's device."""
        loaded = cls.load(context, folder)
        loaded.model.to(context.device)
        return loaded

    @classmethod
    def run_together(cls, context: Context, folder: str) -> "StageModel":
        """Load the model that an earlier stage saved, in all processes, which divide it if they do so in this run."""
        from shortstack.models.sharding import shard_layers

        loaded = cls.load(context, folder)
        if context.is_sharded:
            shard_layers(loaded.model, context.device)
        return loaded

    def save(self, folder: Path) -> None:
        """Write model and items for ``load`` and ``Recommender.from_pretrained``."""
        if not folder.is_dir():  # the stage's own, which was made before it began
            raise RunFolderError(
                f"{folder} is gone: its run's folder was moved or removed; start the run again where it is now"
            )
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
        """Tokens of the candidates, int64 ``(candidates,)``, on the model's device."""
        return self.task.candidates(self.catalogue).to(self.model.device)

    def known_candidates(self) -> "Tensor":
        """Return the tokens, int64, of the items that are in any training history, on the model's device."""
        return self.candidates[self.sequences.training_items]

    def ranker(self) -> "ModelRanker":
        """Return a ranker of items that uses the model.

        Raises:
            ConfigurationError: The task ranks something else than the catalogue in its order.
        """
        from shortstack.evaluation.rankers import ModelRanker

        candidates = self.candidates
        # ranks are of positions in the catalogue: candidates in another order would be other items
        if candidates.tolist() != self.catalogue.tokens:
            raise ConfigurationError(
                f"the candidates of {type(self.task).__name__} must be the catalogue's tokens, in its order"
            )
        return ModelRanker(
            model=self.model, candidates=candidates, window=self.task.window, opening=self.catalogue.opening
        )

    def rater(self, world: World = ALONE) -> "ModelRater":
        """Return a predictor of ratings that uses the model; several processes share the cases."""
        from shortstack.data.rated_histories import RatedHistories
        from shortstack.evaluation.raters import ModelRater

        histories = RatedHistories.of(self.sequences, self.catalogue)
        return ModelRater(
            model=self.model, histories=histories, options=self.candidates, window=self.task.window, world=world
        )
