"""Finished runs with made-up values of every case, as their folders hold them."""

import attrs
import numpy as np
from studies.test_table import result

from shortstack.evaluation.cases import write_cases
from shortstack.evaluation.evaluation import Evaluation
from shortstack.run_layout import CASES, EVALUATION
from shortstack.studies.outcome import Outcome
from shortstack.studies.result import StudyResult


def config(seed=0, **changes):
    """Return settings of a run, of which some are changed by their paths, with ``__`` for dots."""
    tables = {
        "task": {"name": "next-item"},
        "data": {"source": "ring.csv", "split": "leave-last", "min_rating": None},
        "selection": {"strategy": "top-k", "keep_ratio": 0.5},
        "evaluation": {"protocol": "full"},
        "seed": seed,
    }
    for path, value in changes.items():
        table, _, name = path.partition("__")
        tables[table] = {**tables[table], name: value}
    return tables


def run(folder, values, *, users=None, metric="ndcg@10", **how):
    """Write a finished run.

    Args:
        folder: Its folder.
        values: Model → a value for each user.
        users: The users' keys.
        metric: The metric of the values.
        **how: As of ``config``.
    """
    count = len(next(iter(values.values())))
    keys = np.array(range(count) if users is None else users, dtype=np.uint64)
    evaluations = {
        model: Evaluation(
            values={metric: np.array(each, dtype=float)}, users=np.arange(count), targets=np.arange(count), resamples=9, seed=0
        )
        for model, each in values.items()
    }  # fmt: skip
    (folder / EVALUATION).mkdir(parents=True)
    write_cases(folder / EVALUATION / CASES, evaluations, [metric], keys)
    made = attrs.evolve(
        result(0.5, metric),
        config=config(**how),
        metrics={model: evaluation.metrics for model, evaluation in evaluations.items()},
    )
    made.save(folder)
    return made.located(folder)


def study(root, runs, axes):
    """Return the result of a study.

    Args:
        root: Its folder.
        runs: For each run its variant, the values of its axes, and its result, or None while it is unfinished.
        axes: The axes.
    """
    outcomes = [
        Outcome(
            name=f"run-{number}",
            variant=variant,
            values=dict(zip(axes, values, strict=True)),
            status="unfinished" if made is None else "finished",
            result=made,
        )
        for number, (variant, values, made) in enumerate(runs)
    ]
    return StudyResult(folder=root, axes=tuple(axes), outcomes=tuple(outcomes))
