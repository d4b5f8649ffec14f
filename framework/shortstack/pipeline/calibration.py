"""Stage 3: calibration batches of training users; every later measurement of layers uses the same ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.boundaries import read_as
from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Sequences
from shortstack.pipeline.stage import Context, Stage
from shortstack.registry.source_digest import source_digest_of_name
from shortstack.run_layout import BATCHES, CALIBRATION, DATA, SEQUENCES, TEACHER
from shortstack.tasks import task_of

if TYPE_CHECKING:
    from torch import Tensor

    from shortstack.config.run import RunConfig
    from shortstack.registry import Registry

    Batch = Mapping[str, Tensor]


def _depends_on(run: "RunConfig", registry: "Registry") -> object:  # noqa: ARG001 -- every stage takes both
    drawn = [run.importance.examples, run.importance.batch_size, run.seed]
    return [*drawn, run.task, source_digest_of_name(run.task.name)]


def _execute(context: Context, folder: Path) -> None:
    from safetensors.torch import save_file

    batches = drawn_batches(context, Catalogue.load(context.root / TEACHER))
    # safetensors files are flat, so the number of the batch becomes part of the key
    named = {f"{number}.{name}": tensor for number, batch in enumerate(batches) for name, tensor in batch.items()}
    save_file(named, folder / BATCHES)


def drawn_batches(context: Context, catalogue: Catalogue) -> "list[Batch]":
    """Draw the calibration users, each with the last training position supervised; on the CPU.

    Args:
        context: The run, whose data stage is done.
        catalogue: The items, with the teacher's tokens for them.
    """
    from shortstack.tasks import collate

    settings = context.run.importance
    sequences = Sequences.load(context.root / DATA / SEQUENCES)
    examples = task_of(context.run.task).calibration_examples(
        sequences, catalogue, count=settings.examples, seed=context.run.seed
    )
    starts = range(0, len(examples), settings.batch_size)
    return [collate(examples[start : start + settings.batch_size]) for start in starts]


def calibration_batches(context: Context) -> "list[dict[str, Tensor]]":
    """Read the batches that the stage wrote: tensors of int64 ``(users, tokens)``, on the run's device.

    Raises:
        DataError: The file is damaged.
    """
    from safetensors.torch import load_file

    path = context.root / CALIBRATION / BATCHES
    with read_as(path, "is damaged", "remove its folder, and the next run makes it again"):
        named = load_file(path, device=str(context.device))
        batches: list[dict[str, Tensor]] = [{} for _ in {name.partition(".")[0] for name in named}]
        for name, tensor in named.items():
            number, _, part = name.partition(".")
            batches[int(number)][part] = tensor
    return batches


CALIBRATION_STAGE = Stage(
    name="calibration", folder=CALIBRATION, after=("data", "teacher"), depends_on=_depends_on, execute=_execute
)
