"""Tables at the end of a run, for a terminal."""

from rich.table import Table
from rich.text import Text

from shortstack.contracts.headlines import formatted_metric
from shortstack.report.methods import SIZES, estimate_of, megabytes, methods_of
from shortstack.result import RunResult
from shortstack.terminal_text import visible


def terminal_table(result: RunResult) -> Table:
    """Return methods × metrics, with 95 % intervals of the selection metric, and student and teacher in bold."""
    table = Table(title="test users; intervals over users", title_justify="left", title_style="dim")
    table.add_column("method")  # the one column that may break: before the name of a compression
    shown = [*(name for name in result.headlines["metrics"][:1] if name != result.selected_by), result.selected_by]
    for name in ("parameters", *map(formatted_metric, shown), "95% interval", "loss"):
        table.add_column(name, justify="right", no_wrap=True)
    for method in methods_of(result.metrics):
        style = "bold" if method.key in {"student", "teacher"} else ""
        figures = [_number(result.metrics[method.key].get(metric)) for metric in shown]
        row = [_size(result, method.key), *figures]
        table.add_row(
            Text(visible(method.label)), *row, _interval(result, method.key), _loss(result, method.key), style=style
        )
    return table


def speed_table(result: RunResult) -> Table:
    """Return the models' speeds; no rows where they were not measured."""
    device = result.environment.get("device", "the device of the run")
    table = Table(title=f"speed on {device}; medians over test users", title_justify="left", title_style="dim")
    for name in ("model", "users/s, 32 at once", "ms a user, 32 at once", "ms a user, alone"):
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=name != "model")
    speed = result.cost.get("speed", {})
    for method in methods_of(speed):
        timing = speed[method.key]
        figures = [f"{timing['users_per_second']:,.0f}", *(f"{timing[f'ms_per_user_{n}']:,.2f}" for n in (32, 1))]
        table.add_row(
            Text(visible(method.label)), *figures, style="bold" if method.key in {"student", "teacher"} else ""
        )
    return table


def sizes_table(result: RunResult) -> Table:
    """Return what each model's weights take on the disk and in memory."""
    table = Table(title="weights", title_justify="left", title_style="dim")
    for name in ("model", *SIZES.values()):
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=name != "model")
    sizes = result.cost.get("sizes", {})
    for method in methods_of(sizes):
        table.add_row(Text(visible(method.label)), *(megabytes(sizes[method.key].get(kind)) for kind in SIZES))
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _loss(result: RunResult, method: str) -> str:
    value = result.metrics[method].get("loss")
    return "" if value is None else f"{value:.3f}"


def _interval(result: RunResult, method: str) -> Text:
    estimate = estimate_of(result, method, result.selected_by)
    return Text("" if estimate is None else f"{estimate[1]:.4f} to {estimate[2]:.4f}", style="dim")


def _size(result: RunResult, method: str) -> str:
    sizes = result.parameters_by_model()
    return f"{sizes[method]:,}" if method in sizes else ""
