"""A finished study on disk, with figures made up for the purpose: two data sets, three scorers, two sizes, two seeds.

Its names hold characters that HTML and LaTeX give a meaning.
"""

import json
import random

import polars as pl

from shortstack.result import RunResult
from shortstack.studies.folder import key_of

SCORERS = ("fisher", "block-influence", "random")
RATIOS = (0.5, 0.25)
SEEDS = (0, 1)
EDITIONS = {"films": "films & <series>", "shoes": "shoes_100%"}
FAILED = "films,scorer=fisher,keep_ratio=0.5,seed=9"
ERROR = "no room for 3 of $5 <files> in C:\\data_1 & the rest"
BASE = {
    "data": {"source": "ratings.csv", "core": 5, "split": "leave-last"},
    "task": {"name": "next-item", "settings": {}},
    "importance": {"scorers": ["fisher", "block-influence"], "examples": 64},
    "selection": {"strategy": "top-k", "scorer": "fisher", "keep_ratio": 0.25},
    "distillation": {
        "balancing": "ema",
        "losses": {"labels": 1.0, "soft-targets": {"weight": 2.0, "temperature": 2.0}},
        "fit": {"steps": 40, "batch_size": 16, "learning_rate": 0.002},
    },
    "evaluation": {"protocol": "full", "resamples": 100},
    "seed": 0,
}
LAYERS = 8


def quality(variant, scorer, ratio, seed):
    """Return the student's NDCG@10: its teacher's, less by what the scorer and the size cost."""
    teacher = 0.08 if variant == "films" else 0.05
    cost = {"fisher": 0.1, "block-influence": 0.25, "random": 0.4}[scorer] * (1.5 if ratio == 0.25 else 1.0)
    return (teacher + 0.001 * seed) * (1 - cost)


def a_config(variant, scorer, ratio, seed):
    """Return the settings of a run, as ``result.json`` has them."""
    chosen = {"strategy": "random"} if scorer == "random" else {"scorer": scorer}
    return {
        **BASE,
        "data": {**BASE["data"], "source": f"{variant}.csv"},
        "selection": {**BASE["selection"], **chosen, "keep_ratio": ratio},
        "seed": seed,
    }


def curve(best):
    """Return a training curve that ends at its best."""
    return [
        {"step": step, "loss": 5 - step / 40, "ndcg@10": best * share, "seconds": step / 10}
        for step, share in ((10, 0.5), (20, 0.8), (40, 1.0))
    ]


def a_result(variant, scorer, ratio, seed):
    """Return a run's result."""
    student, teacher = quality(variant, scorer, ratio, seed), (0.08 if variant == "films" else 0.05) + 0.001 * seed
    values = {"popularity": 0.02, "scratch": 0.04, "pruned": 0.01, "student": student, "teacher": teacher}
    metrics = {
        model: {"ndcg@10": value, "hr@10": 2 * value, "ndcg@10/head": 1.5 * value, "ndcg@10/tail": value / 2}
        for model, value in values.items()
    }
    kept = (
        list(range(int(LAYERS * ratio)))
        if scorer == "fisher"
        else [seed, *range(LAYERS - int(LAYERS * ratio) + 1, LAYERS)]
    )
    share = ratio * 0.8 + 0.2
    speed = {"teacher": 4.0, "student": 4 * share, "scratch": 4 * share, "pruned": 4 * share}
    return RunResult(
        shortstack="0.1.0",
        plugins={"shortstack/fisher": "0.1.0"},
        config=a_config(variant, scorer, ratio, seed),
        environment={"device": "cpu", "python": "3.11", "packages": {"torch": "2.13"}},
        data={"edition": EDITIONS[variant], "users": 671, "items": 900, "interactions": 10_000},
        cost={
            "seconds": {"data": 1.0, "distillation": 20.0},
            "training": {"teacher": curve(teacher), "student": curve(student)},
            "speed": {
                model: {"ms_per_user_1": ms, "ms_per_user_32": ms / 4, "users_per_second": 4000 / ms}
                for model, ms in speed.items()
            },
            "sizes": {
                model: {"disk_bytes": round(1000 * ms), "memory_bytes": round(1000 * ms)} for model, ms in speed.items()
            },
        },
        verdict="The student was built.",
        importance={"fisher": [float(LAYERS - layer) for layer in range(LAYERS)]},
        audit={},
        selection={
            "strategy": "top-k",
            "budget": f"keep {ratio:.0%}",
            "kept": kept,
            "of": LAYERS,
            "reason": "the best",
        },
        parameters={
            "teacher": 400_000,
            "student": int(400_000 * share),
            "teacher_body": 320_000,
            "student_body": int(320_000 * ratio),
        },
        metrics=metrics,
        intervals={model: {name: [0.9 * v, 1.1 * v] for name, v in each.items()} for model, each in metrics.items()},
        comparisons={
            "student-scratch": {"ndcg@10": [student - 0.04, student - 0.045, student - 0.035]},
            "teacher-popularity": {"ndcg@10": [teacher - 0.02, teacher - 0.025, teacher - 0.015]},
        },
        headlines={"metrics": ["hr@10", "ndcg@10"], "selected_by": "ndcg@10"},
        cases={"evaluated": 671, "users": 671},
    )


def write_case_values(folder, result):
    """Write values of 200 users whose means are the result's: each is a hit or a miss, at places that a seed draws."""
    folder.mkdir()
    users, draw = 200, random.Random(result.config["seed"])
    order = draw.sample(range(users), users)
    tables = []
    for model, metrics in result.metrics.items():
        hits = {name: round(metrics[name] * users) for name in result.headlines["metrics"]}
        values = {
            name: [metrics[name] * users / max(hits[name], 1) if place < hits[name] else 0.0 for place in order]
            for name in hits
        }
        tables.append(pl.DataFrame({"model": [model] * users, "case": range(users), "user": range(users), **values}))
    pl.concat(tables).with_columns(pl.col("user").cast(pl.UInt64)).write_parquet(folder / "cases.parquet")


def write_study(folder, variants=("films", "shoes"), scorers=SCORERS, ratios=RATIOS, seeds=SEEDS, *, cases=True):
    """Write the study's folder: a finished run for each combination, and one that failed."""
    runs = {}
    for variant in variants:
        for scorer in scorers:
            for ratio in ratios:
                for seed in seeds:
                    name = f"{variant},scorer={scorer},keep_ratio={ratio},seed={seed}"
                    result = a_result(variant, scorer, ratio, seed)
                    values = {"selection.scorer": scorer, "selection.keep_ratio": ratio, "seed": seed}
                    runs[name] = {"variant": variant, "values": values, "key": key_of(result.config)}
                    place = folder / "runs" / name
                    (place / "student").mkdir(parents=True)
                    (place / "teacher").mkdir()
                    (place / "run.json").write_text(json.dumps(result.config), encoding="utf-8")
                    result.save(place)
                    if cases:
                        write_case_values(place / "evaluation", result)
    values = {"selection.scorer": "fisher", "selection.keep_ratio": 0.5, "seed": 9}
    runs[FAILED] = {"variant": "films", "values": values, "key": "none"}
    study = {
        "schema": 1,
        "base": BASE,
        "axes": ["selection.scorer", "selection.keep_ratio", "seed"],
        "variants": True,
        "runs": runs,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    (folder / "failures.json").write_text(json.dumps({FAILED: ERROR}), encoding="utf-8")
    return folder
