"""A result as a run would leave it, with figures made up for the purpose."""

import attrs
import pytest

from shortstack.report import verdict
from shortstack.result import RunResult

METHODS = {
    "popularity": 0.020,
    "item-knn": 0.034,
    "markov": 0.050,
    "scratch": 0.060,
    "teacher": 0.066,
    "pruned": 0.015,
    "student": 0.063,
}


def metrics(value, *, model):
    """Return a method's metrics, NDCG@10 being ``value``; baselines have no loss, and there are no cold users."""
    values = {f"{name}@{k}": value * scale for name, scale in (("hr", 2), ("ndcg", 1), ("mrr", 0.8)) for k in (5, 10)}
    values["loss"] = 6.2 if model else None
    return values | {"ndcg@10/head": value * 1.5, "ndcg@10/tail": value / 2, "ndcg@10/cold": None}


def interval(value):
    """Return an interval of ten per cent to both sides."""
    return None if value is None else [0.9 * value, 1.1 * value]


def point(step, loss, ndcg):
    """Return a point of a training curve."""
    return {"step": step, "loss": loss, "ndcg@10": ndcg, "seconds": step / 10}


def audit(scorer="fisher"):
    """Return an audit of one scorer and the oracle; one scorer gave the same score to all layers."""
    estimate = [0.5, 0.1, 0.9]
    agreement = {f"{name}/{metric}": estimate for name in ("spearman", "kendall") for metric in ("loss", "ndcg@10")}
    choice = {"kept": [0, 5, 11], "loss": [6.0, 5.9, 6.1], "ndcg@10": [0.015, 0.01, 0.02]}
    losses = [6.2 - 0.01 * kept for kept in range(12)]
    return {
        "examples": 256,
        "budget": "keep 25% of 12 layers",
        "oracle": {"loss": [0.1] * 12, "ndcg@10": [0.01] * 12},
        "agreement": {
            scorer: {**agreement, "overlap": [0.5] * 12},
            "constant": {**dict.fromkeys(agreement), "overlap": [0.1] * 12},
        },
        "between": {
            a: {b: None if "constant" in (a, b) else -0.3 for b in (scorer, "constant")} for a in (scorer, "constant")
        },
        "losses": {scorer: losses, "drop-loss": losses},
        "pruned": {
            "all layers": {**choice, "kept": list(range(12))},
            scorer: choice,
            "constant": {**choice, "ndcg@10": None},
            "uniform": choice,
        },
        "forwards": {scorer: 3.2, "drop-loss": 6.6},
        "details": {},
    }


@pytest.fixture
def audited():
    """Makes an audit of a scorer."""
    return audit


def a_result():
    """A result with three of twelve layers kept; the student beats scratch, and the teacher every baseline."""
    metrics_of = {name: metrics(value, model=value >= 0.06 or name == "pruned") for name, value in METHODS.items()}
    parts = {
        "metrics": metrics_of,
        "comparisons": {
            "student/teacher": {"hr@10": [0.95, 0.9, 1.0], "ndcg@10": [0.955, 0.91, 0.99], "mrr@10": None},
            "student-scratch": {"ndcg@10": [0.003, 0.001, 0.005]},
            "student-pruned": {"ndcg@10": [0.048, 0.044, 0.052]},
            "teacher-popularity": {"ndcg@10": [0.046, 0.040, 0.052]},
            "teacher-markov": {"ndcg@10": [0.016, 0.010, 0.022]},
        },
        "parameters": {"teacher": 1000, "student": 400, "teacher_body": 800, "student_body": 200},
        "selection": {
            "strategy": "strategic",
            "budget": "keep 25% of 12 layers",
            "kept": [0, 5, 11],
            "of": 12,
            "reason": "The first and the last, and the best of the others.",
        },
    }
    return RunResult(
        shortstack="0.1.0",
        plugins={"shortstack/fisher": "0.1.0"},
        config={"data": {"source": "ratings.csv"}, "seed": 0, "evaluation": {"cutoffs": [5, 10]}},
        environment={"torch": "2.13.0", "device": "cpu"},
        data={"users": 671, "interactions": 100_004, "rating": None},
        cost={
            "seconds": {"data": 1.5, "teacher": 1234.5},
            "training": {
                "teacher": [point(50, 6.9, None), point(100, 6.5, 0.05), point(200, None, 0.06)],
                "student": [point(100, 6.4, 0.055), point(200, 6.2, 0.058)],
            },
        },
        verdict=verdict(**parts),
        importance={"fisher": [float(i * i % 7) for i in range(12)], "constant": [1.0] * 12},
        audit=audit(),
        intervals={
            name: {metric: interval(value) for metric, value in values.items()} for name, values in metrics_of.items()
        },
        **parts,
    )


@pytest.fixture
def result():
    """The same for a test."""
    return a_result()


@pytest.fixture
def changed(result):
    """Make a copy of the result with other values."""
    return lambda **values: attrs.evolve(result, **values)
