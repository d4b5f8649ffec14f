"""Stage 8: everything on the same test cases: floors, teacher, pruned, student, and the model from scratch."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortstack.files import write_json
from shortstack.stages.stage import Context, Stage

if TYPE_CHECKING:
    from shortstack.data.sequences import Sequences
    from shortstack.evaluation.evaluator import Evaluation, RecommendationEvaluator
    from shortstack.evaluation.rankers import Ranker
    from shortstack.registry import Registry
    from shortstack.run import Run

EVALUATION_FILE = "evaluation.json"
MODELS = {"scratch": "scratch", "teacher": "teacher", "pruned": "pruned", "student": "student"}
"""Name in the result → folder of the run."""


def _depends_on(run: "Run", registry: "Registry") -> object:  # noqa: ARG001 -- every stage takes both
    return [run.evaluation, run.seed]


def _execute(context: Context, folder: Path) -> None:
    from shortstack.data.sequences import Sequences
    from shortstack.evaluation.evaluator import RecommendationEvaluator
    from shortstack.evaluation.slices import Slices
    from shortstack.stages.data import SEQUENCES

    sequences = Sequences.load(context.root / "data" / SEQUENCES)
    settings = context.run.evaluation
    evaluator = RecommendationEvaluator(
        cutoffs=settings.cutoffs,
        protocol=settings.protocol,
        resamples=settings.resamples,
        seed=context.run.seed,
        slices=Slices.fit(sequences),
    )
    cases = sequences.cases("test")
    evaluations: dict[str, Evaluation] = {}
    with context.progress.job("evaluation", total=7) as step:
        for name, ranker in _rankers(context, sequences):
            evaluations[name] = evaluator.evaluate(ranker, cases)
            step(len(evaluations), name)
    write_json(folder / EVALUATION_FILE, _plain(evaluator, evaluations))


def _rankers(context: Context, sequences: "Sequences") -> "Iterator[tuple[str, Ranker]]":
    """The floors, fitted on all that comes before the test, then the models, one in memory at a time."""
    from shortstack.evaluation.floors import ItemKNN, Markov, Popularity
    from shortstack.stages.recommender import Recommender

    yield "popularity", Popularity.fit(sequences, "valid")
    yield "item-knn", ItemKNN.fit(sequences, "valid")
    yield "markov", Markov.fit(sequences, "valid")
    for name, folder in MODELS.items():
        if name != "scratch" or context.run.evaluation.scratch:
            yield name, Recommender.load(context, folder).ranker()


def _plain(evaluator: "RecommendationEvaluator", evaluations: "dict[str, Evaluation]") -> dict[str, Any]:
    from shortstack.evaluation.comparisons import standard_comparisons

    metrics = {name: evaluation.metrics for name, evaluation in evaluations.items()}
    intervals = {name: evaluation.intervals for name, evaluation in evaluations.items()}
    return {
        "metrics": metrics,
        "intervals": intervals,
        "comparisons": standard_comparisons(evaluator, evaluations),
    }


EVALUATION = Stage(
    name="evaluation",
    folder="evaluation",
    after=("data", "teacher", "student", "distillation", "scratch"),
    depends_on=_depends_on,
    execute=_execute,
)
