"""Mistakes around a correct loss: in the core, where training shows them, and in its settings."""

from itertools import islice
from pathlib import Path

from safetensors.torch import load_file, save_file

from mutants.losses.plain import loss
from mutants.mutant import Mutant, SetOfNames
from shortstack_losses.labels import Labels

TRAINER = "shortstack.distillation.trainer.DistillationTrainer"


def each_on_its_own(self, epoch_iterator, num_batches, device):
    """Return micro-batches without a common count, so that each is divided by its own."""
    return list(islice(epoch_iterator, num_batches)), None


def saving_everything(self, output_dir=None, _internal_call=False):
    """Save the losses' parameters among the student's."""
    folder = Path(output_dir or self.args.output_dir)
    self.student.save_pretrained(folder)
    path = folder / "model.safetensors"
    projections = {f"projection.{name}": tensor for name, tensor in self.model.loss_modules.state_dict().items()}
    save_file({**load_file(path), **projections}, path, metadata={"format": "pt"})


MUTANTS = (
    Mutant(
        component="labels",
        kind="loss",
        called="means-of-means",
        wrong="a mean of the means of micro-batches",
        breaks={"micro-batches"},
        pitfall=19,
        patches={f"{TRAINER}.get_batch_samples": each_on_its_own},
    ),
    Mutant(
        component="hidden-states",
        kind="loss",
        called="exports-projections",
        wrong="projections are exported with the student",
        breaks={"own-parameters"},
        pitfall=22,
        patches={f"{TRAINER}.save_model": saving_everything},
    ),
    Mutant(
        component=loss("set-of-names", lambda _settings: Labels(), config=SetOfNames),
        kind="loss",
        wrong="a setting that no file can hold",
        breaks={"settings"},
    ),
)
