"""Settings of a run as the plugins that read them declare them, so that a value has one key however it is written."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.config.declared import as_declared
from shortstack.config.overrides import TablePath
from shortstack.config.reader import converted
from shortstack.distillation.weighted_losses import OF_EVERY_LOSS, lines_of
from shortstack.pipeline.settings_classes import settings_classes

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.registry import Registry

Settings = Mapping[str, Any]
Convert = Callable[[TablePath, Settings], Settings]


def with_declared_types(run: "RunConfig", registry: "Registry") -> "RunConfig":
    """Return a run with the values of all plugins' settings converted to the types that they declare.

    ``rate = 1`` and ``rate = 1.0`` are one value of a setting that is a float, and so are a list and a set of a setting that is a set.
    A loss's table that says its weight alone is that weight, and a balancing's that says its name alone is that name.

    Args:
        run: The run.
        registry: The plugins.

    Raises:
        ConfigurationError: A value does not fit its type, or there is no plugin of the name whose settings are given.
    """
    classes = settings_classes(run, registry)

    def convert(path: TablePath, settings: Settings) -> Settings:
        cls = classes[path]() if settings and path in classes else None
        return settings if cls is None else as_declared(cls, settings, ".".join(path))

    def table(name: str) -> Any:
        settings = getattr(run, name)
        return attrs.evolve(settings, settings=convert((name, "settings"), settings.settings))

    tables = {name: table(name) for name in ("data", "task", "selection", "student") if getattr(run, name).settings}
    return attrs.evolve(run, **tables, importance=_importance(run, convert), distillation=_distillation(run, convert))


def _importance(run: "RunConfig", convert: Convert) -> Any:
    of_scorers = {name: convert(("importance", "settings", name), own) for name, own in run.importance.settings.items()}
    return attrs.evolve(run.importance, settings=of_scorers)


def _distillation(run: "RunConfig", convert: Convert) -> Any:
    losses, balancing = run.distillation.losses, run.distillation.balancing
    tables = {
        name: _loss(("distillation", "losses", name), table, convert)
        for name, table in losses.items()
        if isinstance(table, Mapping)
    }
    if isinstance(balancing, Mapping):
        own = {name: value for name, value in balancing.items() if name != "name"}
        balancing = {**balancing, **convert(("distillation", "balancing"), own)}
        balancing = balancing["name"] if balancing.keys() == {"name"} else balancing
    return attrs.evolve(run.distillation, losses={**losses, **tables}, balancing=balancing)


def _loss(path: TablePath, table: Settings, convert: Convert) -> Settings | float:
    """Return a loss's table with its settings converted, its weight among them; the ends of one that goes over the steps are numbers."""
    lines = {name: {"from": start, "to": end} for name, (start, end) in lines_of(path[-1], table).items()}
    weight: float = converted(float, table.get("weight", 1.0), ".".join((*path, "weight")))
    others = {} if table.get("loss", path[-1]) == path[-1] else {"loss": table["loss"]}
    own = {name: value for name, value in table.items() if name not in {*OF_EVERY_LOSS, *lines}}
    if not (own or lines or others):
        return weight
    return {**others, "weight": weight, **lines, **convert(path, own)}
