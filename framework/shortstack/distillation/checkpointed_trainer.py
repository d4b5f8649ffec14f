"""A trainer's checkpoints: safetensors and JSON, sealed when whole, that any number of processes goes on from."""

from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedModel, Trainer, TrainerState

from shortstack.distillation import checkpoints
from shortstack.distillation.balancing import Memory
from shortstack.distillation.sharded_training import divided_state
from shortstack.models.sharding import is_sharded, whole_copy, whole_tree

_NOTHING_YET: Memory = {}


class CheckpointedTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped
    """A ``transformers.Trainer`` of a ``TrainingModule`` that saves and loads what resuming needs, without pickles.

    Attributes:
        memory: What the balancing remembers of earlier steps.
        stream: Number of the random numbers that this process draws; several may draw those of the first, 0.
    """

    memory: Memory = _NOTHING_YET
    stream: int = 0

    @property
    def student(self) -> PreTrainedModel:
        """The model that is trained."""
        return self.model.student

    def restore(self, checkpoint: Path) -> None:
        """Load the state and the weights (the best ones, if they were kept) of a finished training."""
        self.state = TrainerState.load_from_json(str(checkpoint / checkpoints.STATE))
        if self.args.load_best_model_at_end and self.state.best_global_step:
            self._load_best_model()
        else:
            self._load_from_checkpoint(str(checkpoint))
        self.student.eval()

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Save a checkpoint, and seal it when every rank has written its part.

        Transformers has removed an older one by then; of two that stay, the other is sealed.
        """
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            checkpoints.seal_checkpoint(Path(self._get_output_dir(trial)), self.state.global_step)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the student, or its trained adapters, alone; transformers would add a pickle of the arguments."""
        student = whole_copy(self.student) if is_sharded(self.model) else self.student
        if self.args.should_save and student is not None:
            checkpoints.save_weights(student, Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: object = None) -> None:  # noqa: ARG002
        checkpoints.load_weights(self.student, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        folder = Path(self.args.output_dir)
        checkpoints.load_weights(self.student, folder / f"checkpoint-{self.state.best_global_step}")

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        state = {"optimizer": self.optimizer.state_dict(), "losses": self.model.loss_modules.state_dict()}
        state = whole_tree(state) if is_sharded(self.model) else state
        if self.args.should_save:
            state |= {"scheduler": self.lr_scheduler.state_dict(), "balancing": self.memory}
            checkpoints.save_tree(Path(output_dir) / "training.safetensors", state)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            state = checkpoints.load_tree(Path(checkpoint) / "training.safetensors")
            self.optimizer.load_state_dict(divided_state(self.optimizer, state["optimizer"]))
            self.lr_scheduler.load_state_dict(state["scheduler"])
            checkpoints.fill(self.model.loss_modules, state["losses"])
            self.memory = state["balancing"]

    def _save_rng_state(self, output_dir: str) -> None:
        path = Path(output_dir)
        path.mkdir(parents=True, exist_ok=True)
        if self.stream == self.args.process_index:
            checkpoints.save_tree(path / f"random-{self.stream}.safetensors", checkpoints.random_state())

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        path = Path(checkpoint) / f"random-{self.stream}.safetensors"
        if self.stream and not path.is_file():  # there were fewer processes
            checkpoints.begin_random_state(self.args.seed, self.state.global_step, self.stream)
        else:
            checkpoints.restore_random_state(checkpoints.load_tree(path))
