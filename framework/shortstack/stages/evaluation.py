"""Stage 8: everything on the same test cases: floors, teacher, pruned, student, and the model from scratch."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortstack.files import write_json
from shortstack.stages.stage import Context, Stage
from shortstack.stages.steps import Step

if TYPE_CHECKING:
    from shortstack.data.sequences import Sequences
    from shortstack.evaluation.evaluator import Evaluation, RecommendationEvaluator
    from shortstack.evaluation.rankers import Ranker
    from shortstack.registry import Registry
    from shortstack.run import Run

EVALUATION_FILE = "evaluation.json"


def _depends_on(run: "Run", registry: "Registry") -> object:  # noqa: ARG001 -- every stage takes both
    return [run.evaluation, run.seed]


def _execute(context: Context, folder: Path, steps: tuple[Step, ...]) -> None:
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
    models = _models(context.run, steps)
    with context.progress.job("evaluation", total=3 + len(models)) as told:
        for name, ranker in _rankers(context, sequences, models):
            evaluations[name] = evaluator.evaluate(ranker, cases)
            told(len(evaluations), name)
    write_json(folder / EVALUATION_FILE, _plain(evaluator, evaluations))


def _models(run: "Run", steps: tuple[Step, ...]) -> dict[str, str]:
    """Name in the result → folder of the run."""
    scratch = {"scratch": "scratch"} if run.evaluation.scratch else {}
    between = {f"step-{step.number}": step.named("student") for step in steps if not step.is_last}
    return {**scratch, "teacher": "teacher", **between, "pruned": "pruned", "student": "student"}


def _rankers(context: Context, sequences: "Sequences", models: dict[str, str]) -> "Iterator[tuple[str, Ranker]]":
    """The floors, fitted on all that comes before the test, then the models, one in memory at a time."""
    from shortstack.evaluation.floors import ItemKNN, Markov, Popularity
    from shortstack.stages.recommender import Recommender

    yield "popularity", Popularity.fit(sequences, "valid")
    yield "item-knn", ItemKNN.fit(sequences, "valid")
    yield "markov", Markov.fit(sequences, "valid")
    for name, folder in models.items():
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


def evaluation_stage(steps: tuple[Step, ...]) -> Stage:
    """The metrics of all that a run made; the last step's students stand on those before."""
    return Stage(
        name="evaluation",
        folder="evaluation",
        after=("data", "teacher", "student", "distillation", "scratch"),
        depends_on=_depends_on,
        execute=partial(_execute, steps=steps),
    )
