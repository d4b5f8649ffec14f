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
    from shortstack.pipeline.stage_model import StageModel
    from shortstack.registry import Registry


def _depends_on(run: "RunConfig", registry: "Registry") -> object:
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
    from shortstack.pipeline.training import train

    settings = context.run.distillation
    # the selection must index the layers of the model that teaches: losses such as hidden-states pair them
    by_the_first = settings.taught_by == "teacher"
    teacher = StageModel.load(context, TEACHER if by_the_first else round_.source)
    student = StageModel.load(context, round_.named(PRUNED))
    train(
        context,
        round_.named("distillation"),
        student,
        settings.fit,
        folder,
        losses=settings.losses,
        balancing=settings.balancing,
        teacher=teacher.model,
        selection=load_selection(context.root, round_) if by_the_first else own_selection(context.root, round_),
        keep_new=context.run.keeps_new_items,
    )


def rehearse_losses(context: Context, teacher: "StageModel") -> None:
    """Check that students of a teacher that is not yet trained provide what the losses need.

    Raises:
        ConfigurationError: They do not.
    """
    from shortstack.distillation.checks import check_layerdrop
    from shortstack.distillation.weighted_losses import wanted, weighted_losses

    losses = weighted_losses(context.run.distillation.losses, context.registry)
    check_layerdrop(teacher.model, wanted(losses))


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
    )
