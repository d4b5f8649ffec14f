"""Evaluation of a task, with the same cases, metrics and baselines for every method."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.contracts.headlines import Headlines
from shortstack.processes import ALONE, World

if TYPE_CHECKING:
    from shortstack.config.run_tables import EvaluationSettings
    from shortstack.data.sequences import Seen, SplitName
    from shortstack.evaluation.evaluation import Evaluation

Rows = NDArray[np.int64]


@attrs.frozen(kw_only=True)
class EvaluationRequest:
    """The requested evaluation of a run.

    Attributes:
        folder: Folder of the prepared data.
        split: The split whose cases are evaluated.
        settings: The run's evaluation settings.
        seen: Whether items of the history are candidates.
        seed: Seed of all random draws.
        in_full: Whether to compute every metric, including slices and list metrics; else only those that models are
            selected by.
        world: The processes that share the cases.
    """

    folder: Path
    split: "SplitName"
    settings: "EvaluationSettings"
    seen: "Seen"
    seed: int
    in_full: bool
    world: World = ALONE


@attrs.frozen(kw_only=True, eq=False)
class TaskEvaluation:
    """The evaluation of one split, the same for every method.

    Attributes:
        headlines: The metrics that are compared, and the one that models are selected by.
        evaluate: Evaluates a ranker or rater, as ``candidate`` or a baseline returns it, on all cases.
        baselines: Name → function that returns the baseline, fitted on all data before the test split.
        further: The same of baselines that are evaluated where ``evaluation.baselines`` names them, for they take longer.
        trained: Names of baselines that a stage of their own trains where ``evaluation.baselines`` names them; they are evaluated
            as the other models are.
        candidate: Turns a model with its items into what ``evaluate`` takes.
        answer: Makes it predict some cases at once, given by row, and discards the predictions: for timing, so in this
            process alone.
        cases: Number of cases.
        seen: Whether items of the history are candidates, where the catalogue is ranked.
        fit: Calls a function that fits a baseline on all data before the test split, like those of
            ``shortstack.evaluation.baselines``: with the sequences, the scale of ratings where there is one, and
            ``"valid"``, the last split to use.
        user_keys: Returns uint64 ``(users,)``, a key of each user that runs of other seeds have too, as
            ``shortstack.data.user_keys`` makes them; None if a user's number is the same in runs of every seed.
    """

    headlines: Headlines
    evaluate: "Callable[[Any], Evaluation]"
    baselines: Mapping[str, Callable[[], Any]]
    candidate: Callable[[Any], Any]
    answer: Callable[[Any, Rows], object]
    cases: int
    further: Mapping[str, Callable[[], Any]] = attrs.field(factory=dict)
    trained: tuple[str, ...] = ()
    seen: "Seen | None" = None
    fit: Callable[[Callable[..., Any]], Any] | None = None
    user_keys: Callable[[], NDArray[np.uint64]] | None = None
