"""Stage 7: the pruned student is distilled from the teacher; its result is the product."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.distillation.weighted_losses import named_losses
from shortstack.pipeline.selection import load_selection, own_selection
from shortstack.pipeline.stage import Context, Stage, with_digests
from shortstack.planning.schedule import Round
from shortstack.registry.source_digest import source_digest_of_name
from shortstack.run_layout import PRUNED, STUDENT, TEACHER

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.registry import Registry


def _depends_on(run: "RunConfig", registry: "Registry") -> object:
    run = run.untracked
    losses = [registry.find("loss", name) for name in named_losses(run.distillation.losses).values()]
    balancing = run.distillation.balancing
    named = balancing if isinstance(balancing, str) else str(balancing.get("name", ""))
    return [
        run.distillation,
        run.seed,
        run.device,
        [loss.identity for loss in losses],
        source_digest_of_name(named),
        with_digests(run.callbacks),
    ]


def _execute(context: Context, folder: Path, round_: Round) -> None:
    from shortstack.pipeline.stage_model import StageModel
    from shortstack.pipeline.teacher_states import teacher_for
    from shortstack.pipeline.training import Objective, precision_of, train

    settings = context.run.distillation
    # the selection must index the layers of the model that teaches: losses such as hidden-states pair them
    by_the_first = settings.taught_by == "teacher"
    student = StageModel.load(context, round_.named(PRUNED))
    examples = student.task.training_examples(student.sequences, student.catalogue)
    in_half = precision_of(context, folder, settings.fit) == "bfloat16"
    teacher = teacher_for(context, TEACHER if by_the_first else round_.source, examples, bfloat16=in_half)
    objective = Objective(
        losses=settings.losses,
        balancing=settings.balancing,
        log_gradient_norms=settings.log_gradient_norms,
        teacher=teacher,
        selection=load_selection(context.root, round_) if by_the_first else own_selection(context.root, round_),
    )
    train(
        context,
        round_.named("distillation"),
        student,
        settings.fit,
        folder,
        objective=objective,
        keep_new=context.run.keeps_new_items,
        tracked_as=round_.named(STUDENT),
    )


def distillation_stage(round_: Round) -> Stage:
    """Return the stage that distils this step's student."""
    return Stage(
        name=round_.named("distillation"),
        folder=round_.named(STUDENT),
        # without duplicates: the first step is made by the teacher's stage
        after=tuple(
            dict.fromkeys(("data", "teacher", round_.made_by, round_.named("selection"), round_.named("pruning")))
        ),
        depends_on=_depends_on,
        execute=partial(_execute, round_=round_),
        shared=True,
    )
