"""The settings of a study's finished runs, as its paper states them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shortstack.config.writer import name_in_record
from shortstack.result import RunResult
from shortstack.studies.analysis.problem import in_short
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.paper.latex import escaped


def results_of(summary: Summary) -> list[RunResult]:
    """Return the results of all finished runs."""
    return [result for setting in summary.settings for result in setting.results]


def distinct(results: Iterable[RunResult], path: str) -> list[Any]:
    """Return the different values of a setting, by its dotted path, in the order of the runs; without None."""
    values = {repr(value): value for result in results if (value := _at(result.config, path)) is not None}
    return list(values.values())


def distinct_names(results: Iterable[RunResult], path: str) -> list[str]:
    """Return the different names that a setting has, of components or given objects; a list's are taken apart."""
    values = distinct(results, path)
    every = [name for value in values for name in (value if isinstance(value, list | tuple) else [value])]
    return list(dict.fromkeys(map(_named, every)))


def listed(values: Iterable[object]) -> str:
    """Return values as LaTeX, with commas between."""
    return ", ".join(escaped(in_short(value)) for value in values)


def losses_of(results: Iterable[RunResult]) -> dict[str, list[str]]:
    """Return the registered name of each loss → how runs weigh it and set it, as LaTeX."""
    used: dict[str, list[str]] = {}
    for result in results:
        for name, given in result.config["distillation"]["losses"].items():
            table = given if isinstance(given, Mapping) else {"weight": given}
            words = "".join(_in_words(table))
            ways = used.setdefault(_named(table.get("loss", name)), [])
            ways += [words] if words not in ways else []
    return used


def _in_words(table: Mapping[str, Any]) -> Iterator[str]:
    yield f"weight {escaped(in_short(table.get('weight', 1.0)))}"
    for name, value in table.items():
        if name not in {"weight", "loss"}:
            yield f", {escaped(name)} {escaped(in_short(value))}"


def _named(value: object) -> str:
    table = value if isinstance(value, Mapping) and "name" in value else None
    return name_in_record(table["name"] if table else value)


def _at(tree: Mapping[str, Any], path: str) -> Any:
    head, _, rest = path.partition(".")
    value = tree.get(head) if isinstance(tree, Mapping) else None
    return _at(value, rest) if rest and isinstance(value, Mapping) else None if rest else value
