"""Stage 6: the pruned student, before distillation: a stock model that has passed the checks of ``build_student``."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.contracts import Selection
from shortstack.pipeline.calibration import calibration_batches, drawn_batches
from shortstack.pipeline.selection import own_selection
from shortstack.pipeline.stage import Context, Stage
from shortstack.planning.schedule import Round
from shortstack.run_layout import PRUNED

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shortstack.config.run import RunConfig
    from shortstack.pipeline.calibration import Batch
    from shortstack.pipeline.stage_model import StageModel
    from shortstack.registry import Registry


def _depends_on(run: "RunConfig", registry: "Registry") -> object:
    architecture = registry.find("student", run.student.architecture)
    return [run.student, architecture.identity]


def _execute(context: Context, folder: Path, round_: Round) -> None:
    from shortstack.pipeline.stage_model import StageModel

    teacher = StageModel.load(context, round_.source)
    student = _built(context, teacher, own_selection(context.root, round_), calibration_batches(context))
    StageModel.of(context, student, teacher.catalogue, teacher.tokenizer).save(folder)


def rehearse_pruning(context: Context, teacher: "StageModel") -> "PreTrainedModel":
    """Build a student from the first layer and the upper half of a teacher that is not yet trained, and return it.

    A model family whose layers cannot be removed is found before hours of training, not after. These layers include
    every kind that a family mixes, and all but the first change their position.

    Raises:
        ShortstackError: No student can be built.
    """
    layers = teacher.model.config.get_text_config().num_hidden_layers
    selection = Selection(kept=sorted({0, *range(layers // 2, layers)}), of=layers)
    return _built(context, teacher, selection, drawn_batches(context, teacher.catalogue))


def _built(
    context: Context, teacher: "StageModel", selection: Selection, calibration: "Sequence[Batch]"
) -> "PreTrainedModel":
    from shortstack.students.build import build_student

    return build_student(
        teacher.model,
        selection,
        context.run.student.architecture,
        settings=context.run.student.settings,
        registry=context.registry,
        calibration=[
            {name: tensor.to(teacher.model.device) for name, tensor in batch.items()} for batch in calibration
        ],
    )


def pruning_stage(round_: Round) -> Stage:
    """Return the stage that makes this step's pruned model."""
    return Stage(
        name=round_.named("pruning"),
        folder=round_.named(PRUNED),
        after=("calibration", round_.made_by, round_.named("selection")),
        depends_on=_depends_on,
        execute=partial(_execute, round_=round_),
    )
