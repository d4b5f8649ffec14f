"""What a task asks of every model, and who else is asked: the cases of a split, the floors, the metrics."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.contracts.headlines import HEADLINE_CUTOFF, Headlines
from shortstack.evaluation.evaluation import Evaluation
from shortstack.stages.data import IMPRESSIONS, SEQUENCES

if TYPE_CHECKING:
    from shortstack.data.sequences import Sequences, SplitName
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.stage import Context


@attrs.frozen(kw_only=True, eq=False)
class Exam:
    """The same questions for everybody.

    Attributes:
        headlines: What is compared, and what models are selected by.
        evaluate: Asks a model or a floor all questions.
        floors: The floors by name, fitted on all that comes before the test.
        candidate: Turns a recommender into something that can be asked.
    """

    headlines: Headlines
    evaluate: Callable[[Any], Evaluation]
    floors: Callable[[], Iterator[tuple[str, Any]]]
    candidate: "Callable[[Recommender], Any]"


def headlines_of(context: "Context") -> Headlines:
    """What the run's task is judged by."""
    from shortstack.evaluation.impressions import CLICK_HEADLINES
    from shortstack.evaluation.ratings import RATING_HEADLINES

    others = {"impressions": CLICK_HEADLINES, "ratings": RATING_HEADLINES}
    return others.get(context.run.task.build().reads, Headlines())


def exam(context: "Context", split: "SplitName", *, in_full: bool) -> Exam:
    """The exam of the run's task on one split.

    Args:
        context: The run, whose data are there.
        split: Whose cases are asked.
        in_full: Whether every metric is wanted, of parts of the cases and of lists too; else those that models are
            selected by are enough.
    """
    from shortstack.data.sequences import Sequences

    data = context.root / "data"
    sequences = Sequences.load(data / SEQUENCES)
    reads = context.run.task.build().reads
    if reads == "impressions":
        return _click(context, sequences, split)
    if reads == "ratings":
        return _rating(context, sequences, data, split, in_full=in_full)
    return _next_item(context, sequences, split, in_full=in_full)


def _next_item(context: "Context", sequences: "Sequences", split: "SplitName", *, in_full: bool) -> Exam:
    from shortstack.evaluation.evaluator import RecommendationEvaluator
    from shortstack.evaluation.slices import Slices

    settings = context.run.evaluation
    evaluator = RecommendationEvaluator(
        cutoffs=settings.cutoffs if in_full else (HEADLINE_CUTOFF,),
        protocol=settings.protocol,
        resamples=settings.resamples,
        seed=context.run.seed,
        slices=Slices.fit(sequences) if in_full else None,
    )
    cases = sequences.cases(split)
    return Exam(
        headlines=Headlines(),
        evaluate=lambda ranker: evaluator.evaluate(ranker, cases),
        floors=lambda: _ranking_floors(sequences),
        candidate=lambda recommender: recommender.ranker(),
    )


def _click(context: "Context", sequences: "Sequences", split: "SplitName") -> Exam:
    from shortstack.data.impressions import Impressions
    from shortstack.evaluation.impressions import CLICK_HEADLINES, ImpressionEvaluator

    evaluator = ImpressionEvaluator(resamples=context.run.evaluation.resamples, seed=context.run.seed)
    impressions = Impressions.load(context.root / "data" / IMPRESSIONS).of(split)
    return Exam(
        headlines=CLICK_HEADLINES,
        evaluate=lambda ranker: evaluator.evaluate(ranker, impressions),
        floors=lambda: _ranking_floors(sequences),
        candidate=lambda recommender: recommender.ranker(),
    )


def _rating(context: "Context", sequences: "Sequences", data: Path, split: "SplitName", *, in_full: bool) -> Exam:
    from shortstack.data.catalogue import Catalogue
    from shortstack.evaluation.raters import ConstantRater, UserMean
    from shortstack.evaluation.ratings import RATING_HEADLINES, RatingCases, RatingEvaluator

    scale = [option.value for option in Catalogue.load(data).options]
    cases = RatingCases.of(sequences, scale, split)
    evaluator = RatingEvaluator(resamples=context.run.evaluation.resamples, seed=context.run.seed, lists=in_full)

    def floors() -> Iterator[tuple[str, Any]]:
        yield "mode", ConstantRater.mode(sequences, scale)
        yield "global-mean", ConstantRater.mean(sequences, scale)
        yield "user-mean", UserMean.fit(sequences, scale)

    return Exam(
        headlines=RATING_HEADLINES,
        evaluate=lambda rater: evaluator.evaluate(rater, cases),
        floors=floors,
        candidate=lambda recommender: recommender.rater(),
    )


def _ranking_floors(sequences: "Sequences") -> Iterator[tuple[str, Any]]:
    from shortstack.evaluation.floors import ItemKNN, Markov, Popularity

    yield "popularity", Popularity.fit(sequences, "valid")
    yield "item-knn", ItemKNN.fit(sequences, "valid")
    yield "markov", Markov.fit(sequences, "valid")
