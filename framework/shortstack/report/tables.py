"""Tables of the page as HTML; every text of a result is escaped."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from shortstack.contracts.headlines import formatted_metric
from shortstack.html_table import row, table
from shortstack.report.methods import SIZES, Method, estimate_of, megabytes, methods_of
from shortstack.result import RunResult, TrainingPoint


def metrics_table(result: RunResult) -> str:
    """Return metrics × methods with their intervals; slices have their own table."""
    return _by_method(result, [name for name in _metric_names(result) if "/" not in name])


def slices_table(result: RunResult) -> str:
    """Return slices × methods, in the metric that models are selected by."""
    sliced = [name for name in _metric_names(result) if name.startswith(f"{result.selected_by}/")]
    return _by_method(result, sliced) if sliced else "<p>No slices were evaluated.</p>"


def _metric_names(result: RunResult) -> list[str]:
    """Return every metric that is defined for at least one method."""
    defined = (name for values in result.metrics.values() for name, value in values.items() if value is not None)
    return list(dict.fromkeys(defined))


def _by_method(result: RunResult, metrics: Sequence[str]) -> str:
    methods = methods_of(result.metrics)
    rows = (
        row("td", (_label(metric), *(_estimate(estimate_of(result, method.key, metric)) for method in methods)))
        for metric in metrics
    )
    return table(row("th", ("", *map(_name, methods))), rows)


def comparisons_table(result: RunResult) -> str:
    """Return each comparison with its interval, in the headline metrics."""
    compared = result.headlines["metrics"]
    head = row("th", ("", *(_label(metric) for metric in compared)))
    rows = (
        row("td", (_comparison_name(name), *(_compared(name, values.get(metric)) for metric in compared)))
        for name, values in result.comparisons.items()
    )
    return table(head, rows)


def speed_table(result: RunResult) -> str:
    """Return each model's time per user, alone and in batches."""
    speed = result.cost.get("speed", {})
    columns = {"users_per_second": "users a second", "ms_per_user_32": "ms a user", "ms_per_user_1": "ms a user, alone"}
    rows = (
        row("td", (_name(method), *(f"{speed[method.key][key]:,.4g}" for key in columns)))
        for method in methods_of(speed)
    )
    return table(row("th", ("", *columns.values())), rows)


def sizes_table(result: RunResult) -> str:
    """Return each model's megabytes on the disk and in memory; empty where they were not recorded."""
    sizes = result.cost.get("sizes", {})
    if not sizes:
        return ""
    kinds = [kind for kind in SIZES if any(kind in size for size in sizes.values())]
    rows = (
        row("td", (_name(method), *(megabytes(sizes[method.key].get(kind)) for kind in kinds)))
        for method in methods_of(sizes)
    )
    return table(row("th", ("", *(SIZES[kind] for kind in kinds))), rows)


def losses_table(result: RunResult) -> str:
    """Return each loss of the student's training, at its start and end; empty where they were not recorded."""
    points = [point for point in result.cost.get("training", {}).get("student", ()) if _of_each(point, "loss")]
    if not points:
        return ""
    first, last = ({kind: _of_each(point, kind) for kind in _KINDS} for point in (points[0], points[-1]))
    measured = [kind for kind in _KINDS if last[kind]]
    rows = (
        row("td", (escape(name), *(_moved(first[kind].get(name), last[kind].get(name)) for kind in measured)))
        for name in last["loss"]
    )
    return table(row("th", ("", *(_KINDS[kind] for kind in measured))), rows)


def tried_table(result: RunResult, baseline: str) -> str:
    """Return the settings that were tried for a trained baseline, the chosen one in bold."""
    record = result.baselines[baseline]
    rows = (
        row("td", (_chosen(value, chosen=record["setting"].items() <= tried.items()) for value in tried.values()))
        for tried in record["tried"]
    )
    heads = (
        _label(name) if name == result.selected_by else escape(name.replace("_", " ")) for name in record["tried"][0]
    )
    return table(row("th", heads), rows)


def _chosen(value: float, *, chosen: bool) -> str:
    return f"<b>{_plain(value)}</b>" if chosen else _plain(value)


_KINDS = {"loss": "loss", "weight": "weight", "part": "part of the total", "gradient_norm": "gradient norm"}


def _of_each(point: TrainingPoint, kind: str) -> dict[str, float]:
    """Return the name of each loss, and what a point of a curve holds of it."""
    if kind == "part":
        weights, losses = _of_each(point, "weight"), _of_each(point, "loss")
        parts = {name: weights[name] * loss for name, loss in losses.items() if name in weights}
        total = sum(map(abs, parts.values()))
        return {name: part / total for name, part in parts.items()} if total else {}
    named = ((key.partition("/"), value) for key, value in point.items())
    return {name: value for (head, _, name), value in named if head == kind and name and value is not None}


def _moved(first: float | None, last: float | None) -> str:
    if last is None:
        return "–"
    return f"{last:.4g}" + ("" if first is None else f"<small>from {first:.4g}</small>")


def facts_table(facts: Mapping[str, object]) -> str:
    """Return names and values, nested names joined by dots."""
    if not facts:
        return "<p>Nothing was recorded.</p>"
    rows = (row("td", (f"<code>{escape(name)}</code>", escape(value))) for name, value in _flat(facts))
    return table("", rows, kind="facts")


def _flat(value: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every nested value with its dotted name."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, _plain(value)


def _plain(value: object) -> str:
    """Format a value: thousands separated, floats in six digits, missing values as a dash."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}" if abs(value) >= 10_000 else str(value)
        case float():
            return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.6g}"
        case list() | tuple():
            return ", ".join(map(_plain, value)) or "–"
    return "–" if value is None or value in ({}, "") else str(value)


def _label(metric: str) -> str:
    """Format a metric's name: ``ndcg@10/tail`` as NDCG@10 tail."""
    name, _, part = metric.partition("/")
    return escape(f"{formatted_metric(name)} {part}".strip())


def _name(method: Method) -> str:
    """Return a swatch in the method's colour, and its label with the explanation as a tooltip."""
    return (
        f'<i style="background:{method.swatch}"></i><span title="{escape(method.about)}">{escape(method.label)}</span>'
    )


def _estimate(estimate: tuple[float, float, float] | None) -> str:
    if estimate is None:
        return "–"
    value, low, high = estimate
    return f"{value:.4f}<small>{low:.4f}–{high:.4f}</small>"


def _comparison_name(name: str) -> str:
    kind = "ratio" if "/" in name else "difference"
    return f"{escape(name.replace('/', ' / ') if kind == 'ratio' else _minus(name))}<small>{kind}</small>"


def _minus(name: str) -> str:
    """Format a difference: ``teacher-item-knn`` as ``teacher − item-knn``."""
    return name.replace("-", " − ", 1)


def _compared(name: str, estimate: Sequence[float] | None) -> str:
    if estimate is None:
        return "–"
    form = "{:.3f}" if "/" in name else "{:+.4f}"
    value, low, high = (form.format(part).replace("-", "−") for part in estimate)
    return f"{value}<small>{low} to {high}</small>"
