"""``README.md`` beside a model: what it is, where it comes from, how good it is, in the hub's format of model cards."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import PurePath
from string import Template
from typing import Any, Final

import attrs

from shortstack.config.writer import name_in_record
from shortstack.contracts.headlines import formatted_metric
from shortstack.data.catalogue import Catalogue
from shortstack.report.markdown import escaped, literal, table
from shortstack.report.verdict import FEWEST_USERS
from shortstack.result import RunResult
from shortstack.run_layout import CARD_MARK

_ROLES: Final = {
    "student": "Student",
    "teacher": "Teacher",
    "pruned": "Pruned model, before distillation",
    "scratch": "Model of the student's shape, trained without a teacher",
}
MODELS: Final = tuple(_ROLES)
"""Models that have a card."""
_TASKS: Final = {
    "next-item": "It ranks the items of a catalogue by how likely each comes next after a user's history.",
    "click": "It ranks items that a user is shown by how likely each is clicked.",
    "rating": "It predicts how a user rates an item, from what the user rated before.",
}


@attrs.frozen(kw_only=True)
class CardFacts:
    """What a card says besides the run's result.

    Attributes:
        model: The model: one of ``MODELS``.
        architecture: Class of transformers.
        layers: Number of layers.
        catalogue: The model's items.
        seen: Its rule for items of the history, ``"include"`` or ``"exclude"``.
        terms: Terms of use of the data; empty if they are not known.
        base_model: The teacher's name on the hub; empty if it is none.
    """

    model: str
    architecture: str
    layers: int
    catalogue: Catalogue
    seen: str
    terms: str
    base_model: str


def model_card(result: RunResult, facts: CardFacts) -> str:
    """Return the card of a model of a run; texts of data, settings and plugins are escaped.

    Source: https://huggingface.co/docs/hub/model-cards.
    """
    rates = bool(facts.catalogue.options)
    return Template(files("shortstack.report").joinpath("model_card.md").read_text(encoding="utf-8")).substitute(
        front=_front(result, facts),
        mark=CARD_MARK,
        title=_title(result, facts),
        about=_about(result, facts),
        version=escaped(result.shortstack),
        architecture=facts.architecture,
        parameters=f"{result.parameters['teacher' if facts.model == 'teacher' else 'student']:,}",
        data=_data(result),
        terms=_terms(facts),
        made="\n".join(f"* {point}" for point in _made(result, facts.model)),
        quality=_quality(result),
        comparisons=_comparisons(result),
        limits="\n".join(f"* {point}" for point in _limits(result, facts)),
        use=_use(facts.catalogue),
        stock="" if rates else _stock(facts),
    )


def _front(result: RunResult, facts: CardFacts) -> str:
    """Return the table of YAML that the hub reads."""
    from huggingface_hub import EvalResult, ModelCardData

    measured = result.metrics.get(facts.model, {})
    source, task = _dataset(result), _task(result)
    data = ModelCardData(
        library_name="transformers",
        license="other",
        license_name="not-chosen",
        tags=["shortstack", "recommender-system", "pruning", "knowledge-distillation", task],
        base_model=facts.base_model or None,
        model_name=_plain_title(result, facts),
        eval_results=[
            EvalResult(
                task_type=task,
                dataset_type=_adapter(result),
                dataset_name=source,
                metric_type=metric,
                metric_name=formatted_metric(metric),
                metric_value=round(value, 6),
            )
            for metric in result.headlines["metrics"]
            if (value := measured.get(metric)) is not None
        ]
        or None,
    )
    return f"---\n{data.to_yaml()}\n---"


def _plain_title(result: RunResult, facts: CardFacts) -> str:
    return f"{_ROLES[facts.model]} for {_dataset(result)}: {facts.layers} of {result.selection['of']} layers"


def _title(result: RunResult, facts: CardFacts) -> str:
    return escaped(_plain_title(result, facts))


def _about(result: RunResult, facts: CardFacts) -> str:
    window = result.config.get("task", {}).get("settings", {}).get("window")
    reads = f" It reads the last {window} items of a history." if isinstance(window, int) else ""
    task = _TASKS.get(_task(result), f"Its task is {escaped(_task(result))}.")
    return f"{task}{reads} Its catalogue, `items.jsonl`, holds {len(facts.catalogue):,} items."


def _data(result: RunResult) -> str:
    """Return the counts of the data, and what was left out."""
    counts = {name: result.data[name] for name in ("users", "items", "interactions", "ratings") if name in result.data}
    sizes = ", ".join(f"{value:,} {name}" for name, value in counts.items() if isinstance(value, int))
    data = result.config.get("data", {})
    filters = ("core", "min_rating", "since", "until", "sample_users", "last_n", "duplicates", "split")
    used = ", ".join(f"{name} = {escaped(data[name])}" for name in filters if data.get(name) is not None)
    return f"{escaped(_dataset(result))}, read by the adapter {escaped(_adapter(result))}: {sizes}, after filters ({used})."


def _terms(facts: CardFacts) -> str:
    data = (
        f"Terms of the data: {escaped(facts.terms)}."
        if facts.terms
        else "The terms of the data are not known to shortstack."
    )
    teacher = f" The teacher was {escaped(facts.base_model)}, whose licence counts too." if facts.base_model else ""
    return (
        f"{data}{teacher} Choose a licence that they allow before you publish the model: `license` above says `other`."
    )


def _made(result: RunResult, model: str) -> Iterator[str]:
    """Yield the steps that led to the model."""
    config, selection = result.config, result.selection
    teacher = config.get("teacher", {})
    start = teacher.get("path")
    yield (
        f"Teacher: {escaped(PurePath(name_in_record(start)).name if start else 'random weights')}, {selection['of']} layers, "
        f"{result.parameters['teacher']:,} parameters, {_fit(teacher)}."
    )
    if model in {"student", "pruned"}:
        kept = ", ".join(map(str, selection["kept"]))
        yield (
            f"Layers that stay: {kept} (from 0), by strategy {escaped(selection['strategy'])} and scorer "
            f"{escaped(name_in_record(config['selection']['scorer']))}: {escaped(selection['reason'])}. Budget: {escaped(selection['budget'])}."
        )
        yield f"Student's architecture: {escaped(name_in_record(config['student']['architecture']))}."
    if model == "student":
        yield f"Distillation: {_fit(config['distillation'])}, with the losses {_losses(config['distillation']['losses'])}."
    yield f"Seed {config.get('seed')}; plugins: {', '.join(f'{escaped(name)} {escaped(v)}' for name, v in result.plugins.items())}."


def _fit(table_of_settings: Mapping[str, Any]) -> str:
    fit = table_of_settings.get("fit") or {}
    return (
        f"at most {fit['steps']:,} steps of {fit['batch_size']} examples" if fit.get("steps") else "not trained further"
    )


def _losses(losses: object) -> str:
    """Return names and weights as the settings give them."""
    if not isinstance(losses, Mapping):
        return escaped(losses)
    weights = (
        (name, given.get("weight", 1.0) if isinstance(given, Mapping) else given) for name, given in losses.items()
    )
    return ", ".join(f"{escaped(name)} (weight {escaped(weight)})" for name, weight in weights)


def _quality(result: RunResult) -> str:
    metrics: Sequence[str] = result.headlines["metrics"]
    rows = [
        [escaped(method), *(_with_interval(result, method, metric) for metric in metrics)] for method in result.metrics
    ]
    users = result.cases.get("users")
    on = f"On {users:,} test users, w" if isinstance(users, int) else "W"
    head = f"{on}ith intervals of 95 %, bootstrapped over users. Teacher, student, pruned (the student before distillation) and scratch (its shape, trained without a teacher) are models; the others are baselines."
    return f"{head}\n\n{table(['', *map(formatted_metric, metrics)], rows)}"


def _with_interval(result: RunResult, method: str, metric: str) -> str:
    value = result.metrics[method].get(metric)
    bounds = result.intervals.get(method, {}).get(metric)
    if value is None:
        return "undefined"
    return f"{value:.4f}" if not bounds else f"{value:.4f} [{bounds[0]:.4f}, {bounds[1]:.4f}]"


def _comparisons(result: RunResult) -> str:
    estimate = result.comparisons.get("student/teacher", {}).get(result.selected_by)
    if not estimate:
        return ""
    share, low, high = (f"{100 * value:.1f} %" for value in estimate)
    return f"The student keeps {share} [{low}, {high}] of the teacher's {formatted_metric(result.selected_by)}."


def _limits(result: RunResult, facts: CardFacts) -> Iterator[str]:
    yield f"It knows the {len(facts.catalogue):,} items of its catalogue and no others; new items need a new run."
    last = result.data.get("last_time")
    if last:
        yield f"Its data end at {escaped(last)}; tastes since then are unknown to it."
    yield "It was measured on held-out interactions of the same data, not on people who saw its recommendations; what is popular there is recommended more."
    users = result.cases.get("users")
    if isinstance(users, int) and users < FEWEST_USERS:
        yield f"{users} test users are too few for its figures to mean much."
    yield "The folder holds no user's id or history. A model can remember single histories of its training data all the same."


def _use(catalogue: Catalogue) -> str:
    names = [literal(item.title or item.id) for item in catalogue.items[:2]]
    if catalogue.options:
        return f"recommender.rate([({names[0]}, {catalogue.options[-1].value:g})], {names[-1]})"
    return f"recommender.recommend([{names[0]}], k=10)"


def _stock(facts: CardFacts) -> str:
    catalogue, choices = facts.catalogue, "(item for item in items if item not in history)"
    if facts.seen == "include":
        choices = "items"
    return f"""
With transformers alone; each item is a token:

```python
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(".")
with Path("items.jsonl").open(encoding="utf-8") as file:
    items = [json.loads(line) for line in file]
history = items[:1]
tokens = {[*catalogue.opening]} + [item["token"] for item in history]
with torch.no_grad():
    logits = model(torch.tensor([tokens])).logits[0, -1]
best = max({choices}, key=lambda item: logits[item["token"]])
print(best["title"])
```"""


def _dataset(result: RunResult) -> str:
    """Return the edition of the data, or else the source's own name, without its folder."""
    source = PurePath(name_in_record(result.config.get("data", {}).get("source", "data"))).name
    return str(result.data.get("edition") or source)


def _adapter(result: RunResult) -> str:
    return name_in_record(result.config.get("data", {}).get("adapter", "table"))


def _task(result: RunResult) -> str:
    return name_in_record(result.config.get("task", {}).get("name", "next-item"))
