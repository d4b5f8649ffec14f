"""The evaluation of a run's task, on the run's prepared data."""

from typing import TYPE_CHECKING

from shortstack.contracts.headlines import Headlines
from shortstack.pipeline.seen_items import seen_by
from shortstack.run_layout import DATA
from shortstack.tasks import feedback_of, task_of
from shortstack.tasks.evaluation import EvaluationRequest, TaskEvaluation

if TYPE_CHECKING:
    from shortstack.data.sequences import SplitName
    from shortstack.pipeline.stage import Context


def headlines_of(context: "Context") -> Headlines:
    """What the run's task is judged by."""
    return feedback_of(task_of(context.run.task).reads).headlines


def require_cases(context: "Context") -> None:
    """Find out before anything is trained whether there is something to select models by, and to evaluate them on.

    Raises:
        EmptyDataError: There is not.
    """
    task_evaluation(context, "valid", in_full=False)
    task_evaluation(context, "test", in_full=False)


def task_evaluation(context: "Context", split: "SplitName", *, in_full: bool) -> TaskEvaluation:
    """The cases of one split, with metrics and baselines.

    Args:
        context: The run, whose data are there.
        split: Whose cases are evaluated.
        in_full: As ``EvaluationRequest`` has it.
    """
    request = EvaluationRequest(
        folder=context.root / DATA,
        split=split,
        settings=context.run.evaluation,
        seen=seen_by(context),
        seed=context.run.seed,
        in_full=in_full,
    )
    return feedback_of(task_of(context.run.task).reads).evaluation(request)
