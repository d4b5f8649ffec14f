"""What a task asks of every model, and who else is asked: the cases of a split, the floors, the metrics."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.contracts.headlines import HEADLINE_CUTOFF, Headlines
from shortstack.evaluation.evaluation import Evaluation
from shortstack.files import read_json
from shortstack.stages.data import FACTS, IMPRESSIONS, SEQUENCES

if TYPE_CHECKING:
    from shortstack.data.sequences import Seen, Sequences, SplitName
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.speed import Rows
    from shortstack.stages.stage import Context

RETURNING = 0.01
"""The share of interactions with an item that the user had before, from which on users are taken to return to items."""


@attrs.frozen(kw_only=True, eq=False)
class Exam:
    """The same questions for everybody.

    Attributes:
        headlines: What is compared, and what models are selected by.
        evaluate: Asks a model or a floor all questions.
        floors: Name → makes the floor, fitted on all that comes before the test.
        candidate: Turns a recommender into something that can be asked.
        answer: Lets a candidate answer some of the questions at once, by their numbers, and does nothing with the answers.
        questions: How many there are.
        seen: Whether items of the history are candidates, where the catalogue is ranked.
    """

    headlines: Headlines
    evaluate: Callable[[Any], Evaluation]
    floors: Mapping[str, Callable[[], Any]]
    candidate: "Callable[[Recommender], Any]"
    answer: "Callable[[Any, Rows], object]"
    questions: int
    seen: "Seen | None" = None


def headlines_of(context: "Context") -> Headlines:
    """What the run's task is judged by."""
    from shortstack.evaluation.impressions import CLICK_HEADLINES
    from shortstack.evaluation.ratings import RATING_HEADLINES

    others = {"impressions": CLICK_HEADLINES, "ratings": RATING_HEADLINES}
    return others.get(context.run.task.build().reads, Headlines())


def seen_by(context: "Context") -> "Seen":
    """Whether items of the history are candidates: as the settings say, else as the data do, which are there."""
    if context.run.evaluation.seen is not None:
        return context.run.evaluation.seen
    facts = read_json(context.root / "data" / FACTS)
    repeats = facts.get("duplicate_pairs", 0)  # none are counted of impressions
    return "include" if repeats and repeats >= RETURNING * facts["interactions"] else "exclude"


def require_cases(context: "Context") -> None:
    """Find out before anything is trained whether there is something to select models by, and to evaluate them on.

    Raises:
        EmptyDataError: There is not.
    """
    exam(context, "valid", in_full=False)
    exam(context, "test", in_full=False)


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

    settings, seen = context.run.evaluation, seen_by(context)
    evaluator = RecommendationEvaluator(
        cutoffs=settings.cutoffs if in_full else (HEADLINE_CUTOFF,),
        protocol=settings.protocol if in_full else "full",
        seen=seen,
        resamples=settings.resamples,
        seed=context.run.seed,
        slices=Slices.fit(sequences) if in_full else None,
    )
    cases = sequences.cases(split)
    evaluator.rows(cases)  # none at all is an error, and better now than after a training
    return Exam(
        headlines=Headlines(),
        evaluate=lambda ranker: evaluator.evaluate(ranker, cases),
        floors=_ranking_floors(sequences, seen),
        candidate=lambda recommender: recommender.ranker(),
        answer=lambda ranker, rows: ranker.scores([cases.history(row) for row in rows]),
        questions=len(cases),
        seen=seen,
    )


def _click(context: "Context", sequences: "Sequences", split: "SplitName") -> Exam:
    from shortstack.data.impressions import Impressions
    from shortstack.evaluation.impressions import CLICK_HEADLINES, ImpressionEvaluator

    evaluator = ImpressionEvaluator(resamples=context.run.evaluation.resamples, seed=context.run.seed)
    impressions = Impressions.load(context.root / "data" / IMPRESSIONS).of(split)
    return Exam(
        headlines=CLICK_HEADLINES,
        evaluate=lambda ranker: evaluator.evaluate(ranker, impressions),
        floors=_ranking_floors(sequences, "exclude"),
        candidate=lambda recommender: recommender.ranker(),
        answer=lambda ranker, rows: ranker.scores([impressions.history(row) for row in rows]),
        questions=len(impressions),
    )


def _rating(context: "Context", sequences: "Sequences", data: Path, split: "SplitName", *, in_full: bool) -> Exam:
    from shortstack.data.catalogue import Catalogue
    from shortstack.evaluation.raters import ConstantRater, UserMean
    from shortstack.evaluation.ratings import RATING_HEADLINES, RatingCases, RatingEvaluator

    scale = [option.value for option in Catalogue.load(data).options]
    cases = RatingCases.of(sequences, scale, split)
    evaluator = RatingEvaluator(resamples=context.run.evaluation.resamples, seed=context.run.seed, lists=in_full)

    floors: dict[str, Callable[[], Any]] = {
        "mode": partial(ConstantRater.mode, sequences, scale),
        "global-mean": partial(ConstantRater.mean, sequences, scale),
        "user-mean": partial(UserMean.fit, sequences, scale),
    }
    return Exam(
        headlines=RATING_HEADLINES,
        evaluate=lambda rater: evaluator.evaluate(rater, cases),
        floors=floors,
        candidate=lambda recommender: recommender.rater(),
        answer=lambda rater, rows: rater.predict(cases.at(rows)),
        questions=len(cases),
    )


def _ranking_floors(sequences: "Sequences", seen: "Seen") -> dict[str, Callable[[], Any]]:
    """Those of all ranking tasks; where users return to items, also what each of them had most often."""
    from shortstack.evaluation.floors import ItemKNN, Markov, PersonalPopularity, Popularity

    own = {"personal-popularity": PersonalPopularity.fit} if seen == "include" else {}
    fits: dict[str, Callable[..., Any]] = {
        "popularity": Popularity.fit,
        **own,
        "item-knn": ItemKNN.fit,
        "markov": Markov.fit,
    }
    return {name: partial(fit, sequences, "valid") for name, fit in fits.items()}
