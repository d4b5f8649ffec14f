"""The paper's section on the method: only what the runs used, with its formulas."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from shortstack.result import RunResult
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.paper.formulas import BALANCINGS, LOSSES, SCORES, STRATEGIES
from shortstack.studies.paper.latex import escaped, items, table
from shortstack.studies.paper.references import References
from shortstack.studies.paper.settings import distinct, distinct_names, listed, losses_of, results_of

if TYPE_CHECKING:
    from shortstack.registry import Kind

_FIT = {
    "steps": "optimiser steps at most",
    "batch_size": "examples a step",
    "learning_rate": "peak learning rate",
    "warmup_steps": "warm-up steps",
    "weight_decay": "weight decay",
    "embedding_dropout": "embedding dropout",
    "evaluate_every": "steps between validations",
    "patience": "validations without improvement",
}


def teacher(summary: Summary) -> str:
    """Describe the teacher of each problem."""
    return items(f"{escaped(problem.label)}: {_teacher(problem.example)}" for problem in summary.problems)


def _teacher(result: RunResult) -> str:
    settings, sizes = result.config.get("teacher") or {}, result.parameters
    shape = settings.get("config") or {}
    kind = shape.get("model_type") or settings.get("path") or "a given model"
    width = f", width {escaped(shape['hidden_size'])}" if "hidden_size" in shape else ""
    origin = "trained from scratch" if shape else "fitted to the task"
    return (
        rf"\texttt{{{escaped(kind)}}}, {result.selection['of']} layers{width}, {sizes['teacher']:,} parameters, of which "
        f"{sizes['teacher_body']:,} in the layers; {origin}."
    )


def scores(summary: Summary, references: References) -> str:
    """Define each scorer that a run measured."""
    results = results_of(summary)
    names = distinct_names(results, "importance.scorers") + distinct_names(results, "selection.scorer")
    note = (
        r"In \texttt{hybrid} and \texttt{fitted-hybrid}, $r$ maps scores to a common scale, ranks in $[0,1]$ unless set "
        "otherwise. "
    )
    mixed = note if {"hybrid", "fitted-hybrid"} & set(names) else ""
    examples = listed(distinct(results, "importance.examples"))
    counted = f"Scores are measured on {examples} calibration examples of the training part." if examples else ""
    return "\n".join(_defined(references, "scorer", dict.fromkeys(names), SCORES)) + f"\n{mixed}{counted}\n"


def strategies(summary: Summary) -> str:
    """Define each strategy that a run used."""
    names = distinct_names(results_of(summary), "selection.strategy")
    budgets = list(dict.fromkeys(result.selection["budget"] for result in results_of(summary)))
    lines = [_paragraph(name, "", STRATEGIES.get(name, "")) for name in names]
    return "\n".join(lines) + (f"\nBudgets: {listed(budgets)}.\n" if budgets else "")


def losses(summary: Summary, references: References) -> str:
    """Define each loss, with how the runs weigh it, and the balancing."""
    results = results_of(summary)
    ways = losses_of(results)
    lines = [*_defined(references, "loss", ways, LOSSES)]
    weighed = items(f"\\texttt{{{escaped(name)}}}: {'; or '.join(each)}" for name, each in ways.items())
    balancings = [
        _paragraph(f"{name} (balancing)", "", BALANCINGS.get(name, ""))
        for name in distinct_names(results, "distillation.balancing")
    ]
    return "\n".join([*lines, weighed and "The runs set:\n" + weighed, *balancings]) + "\n"


def training(summary: Summary) -> str:
    """Return the table of the trainings' settings, with all values that runs have."""
    results = results_of(summary)
    rows = [
        (name, listed(distinct(results, f"teacher.fit.{key}")), listed(distinct(results, f"distillation.fit.{key}")))
        for key, name in _FIT.items()
    ]
    known = [row for row in rows if row[1] or row[2]]
    caption = "Settings of the trainings: AdamW, a linear warm-up and a cosine to zero."
    return table("lrr", ("", "teacher", "student"), known, caption=caption, label="tab:training") if known else ""


def _defined(references: References, kind: "Kind", names: Iterable[str], formulas: Mapping[str, str]) -> Iterator[str]:
    return (_paragraph(name, references.about(kind, name), formulas.get(name, "")) for name in names)


def _paragraph(name: str, about: str, formula: str) -> str:
    shown = f"\n\\[ {formula} \\]" if formula else ""
    return f"\\paragraph{{\\texttt{{{escaped(name)}}}}} {about}{shown}\n"
