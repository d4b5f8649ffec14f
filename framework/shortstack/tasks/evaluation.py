"""The evaluation that a task gives every method: the same cases, metrics and baselines."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.contracts.headlines import Headlines

if TYPE_CHECKING:
    from shortstack.config.run_tables import EvaluationSettings
    from shortstack.data.sequences import Seen, SplitName
    from shortstack.evaluation.evaluation import Evaluation

Rows = NDArray[np.int64]


@attrs.frozen(kw_only=True)
class EvaluationRequest:
    """Which evaluation of a run is wanted.

    Attributes:
        folder: Of the prepared data.
        split: Whose cases are evaluated.
        settings: Of the run.
        seen: Whether items of the history are candidates.
        seed: Of everything that is drawn.
        in_full: Whether every metric is wanted, of parts of the cases and of lists too; else those that models are
            selected by are enough.
    """

    folder: Path
    split: "SplitName"
    settings: "EvaluationSettings"
    seen: "Seen"
    seed: int
    in_full: bool


@attrs.frozen(kw_only=True, eq=False)
class TaskEvaluation:
    """The cases of one split, for every method alike.

    Attributes:
        headlines: What is compared, and what models are selected by.
        evaluate: Evaluates what ``candidate`` or a baseline gives, on all cases.
        baselines: Name → makes the baseline, fitted on all that comes before the test.
        candidate: Turns a model with its items into what ``evaluate`` takes.
        answer: Lets it answer some of the cases at once, by their numbers, and discards the answers: for timing.
        cases: How many there are.
        seen: Whether items of the history are candidates, where the catalogue is ranked.
        fit: Calls a function that fits a baseline on all that comes before the test, as ``shortstack.evaluation.baselines``
            has them: with the sequences, the scale of ratings where there is one, and ``"valid"``, the last part to use.
    """

    headlines: Headlines
    evaluate: "Callable[[Any], Evaluation]"
    baselines: Mapping[str, Callable[[], Any]]
    candidate: Callable[[Any], Any]
    answer: Callable[[Any, Rows], object]
    cases: int
    seen: "Seen | None" = None
    fit: Callable[[Callable[..., Any]], Any] | None = None
