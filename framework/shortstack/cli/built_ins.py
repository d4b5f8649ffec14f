"""Values that settings can name besides plugins' components: strategies, tasks, splits, balancings and metrics."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from shortstack.config.descriptions import describe_settings
from shortstack.errors import UnknownNameError


@attrs.frozen(kw_only=True)
class BuiltIn:
    """Built-in value that a setting can name.

    Attributes:
        kind: Kind of the value.
        name: Name that users write.
        summary: One sentence.
        used_in: The setting that takes the name, and where its own settings go.
        settings: Its settings, as ``describe_settings`` returns them.
        promises: Its promised properties, by name.
    """

    kind: str
    name: str
    summary: str
    used_in: str
    settings: list[dict[str, str]] = attrs.field(factory=list)
    promises: Mapping[str, Any] = attrs.field(factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return attrs.asdict(self)


def built_ins(kind: str) -> list[BuiltIn]:
    """Return all built-ins of a kind.

    Raises:
        UnknownNameError: There is no such kind.
    """
    if kind not in _OF_KIND:
        raise UnknownNameError("kind of component", kind, _OF_KIND)
    return _OF_KIND[kind]()


def built_in(kind: str, name: str) -> BuiltIn:
    """Return a built-in by kind and name.

    >>> built_in("metric", "NDCG@10").name
    'ndcg@k'

    Raises:
        UnknownNameError: There is none of this name; the message suggests the nearest.
    """
    by_name = {each.name: each for each in built_ins(kind)}
    if kind == "metric":
        name = re.sub(r"@\d+$", "@k", name.lower())
    if name not in by_name:
        raise UnknownNameError(kind, name, by_name)
    return by_name[name]


def _strategies() -> list[BuiltIn]:
    from shortstack.selection.selector import STRATEGIES, strategy_named

    return [
        BuiltIn(
            kind="strategy",
            name=name,
            summary=_statement(rule),
            used_in="selection.strategy, selection.settings",
            settings=describe_settings(rule),
            promises=attrs.asdict(strategy_named(name).keeps),
        )
        for name, rule in STRATEGIES.items()
    ]


def _tasks() -> list[BuiltIn]:
    from shortstack.tasks import built_in_tasks

    return [
        BuiltIn(
            kind="task",
            name=name,
            summary=_statement(task),
            used_in="task.name, task.settings",
            settings=describe_settings(task),
        )
        for name, task in built_in_tasks().items()
    ]


def _splits() -> list[BuiltIn]:
    from shortstack.data.splits import SPLITS

    shares = {"valid": "valid_share", "test": "test_share"}  # their names in [data]
    return [
        BuiltIn(
            kind="split",
            name=name,
            summary=_statement(type(rule)),
            used_in="data.split, and beside it",
            settings=[
                {**setting, "name": shares[setting["name"]]}
                for setting in describe_settings(type(rule))
                if setting["name"] in shares
            ],
        )
        for name, rule in SPLITS.items()
    ]


def _balancings() -> list[BuiltIn]:
    from shortstack.distillation.balancing import BALANCINGS

    return [
        BuiltIn(
            kind="balancing",
            name=name,
            summary=_statement(rule),
            used_in="distillation.balancing, alone or as a table with its name",
            settings=describe_settings(rule),
        )
        for name, rule in BALANCINGS.items()
    ]


def _metrics() -> list[BuiltIn]:
    from shortstack.contracts.headlines import METRICS

    return [
        BuiltIn(kind="metric", name=name, summary=summary, used_in=f"the results of {where}")
        for name, (where, summary) in METRICS.items()
    ]


def _statement(thing: type) -> str:
    """Return the first paragraph of a docstring, in one line."""
    return " ".join(inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0].split())


_OF_KIND: Final[Mapping[str, Callable[[], list[BuiltIn]]]] = {
    "strategy": _strategies,
    "task": _tasks,
    "split": _splits,
    "balancing": _balancings,
    "metric": _metrics,
}
CHOICES: Final = tuple(_OF_KIND)
"""Kinds of built-ins."""
