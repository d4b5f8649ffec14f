"""Rehearsals: what would fail after a teacher's training is found before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shortstack.errors import ShortstackError
from shortstack.pipeline.compressed import rehearse_compression
from shortstack.pipeline.importance import rehearse_sweep
from shortstack.pipeline.pruning import rehearse_pruning

if TYPE_CHECKING:
    from shortstack.pipeline.stage import Context
    from shortstack.pipeline.stage_model import StageModel


@contextmanager
def _of_one_run() -> Iterator[None]:
    """Mark errors as those of one run: a run with other losses, scorers or students may train the same teacher."""
    try:
        yield
    except ShortstackError as error:
        error.of_one_run = True
        raise


@_of_one_run()
def rehearse_losses(context: "Context", teacher: "StageModel") -> None:
    """Check that students of a teacher that is not yet trained provide what the losses need.

    Raises:
        ConfigurationError: They do not.
        UnsupportedModelError: They have no attention that a loss can read.
    """
    from shortstack.distillation.checks import check_attention, check_layerdrop
    from shortstack.distillation.weighted_losses import wanted, weighted_losses

    needs = wanted(weighted_losses(context.run.distillation.losses, context.registry))
    check_layerdrop(teacher.model, needs)
    check_attention(teacher.model, needs)


@_of_one_run()
def rehearse(context: "Context", teacher: "StageModel") -> None:
    """Try the later stages of a run on a teacher that is not yet trained.

    Raises:
        ShortstackError: One would fail.
    """
    from shortstack.models.initial import as_if_trained

    # the matrices of a fresh teacher that write to the residual stream are 0, which would hide what fails
    with as_if_trained(teacher.model):
        student = rehearse_pruning(context, teacher)
        rehearse_compression(context, {"teacher": teacher.model, "student": student})
        rehearse_sweep(context, teacher)
