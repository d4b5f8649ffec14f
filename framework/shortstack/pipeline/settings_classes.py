"""Classes of the settings that are brought by what a run names, such as its adapter: they say which settings are texts."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from shortstack.config.overrides import Classes
from shortstack.config.resolve import named_class
from shortstack.config.run import RunConfig, changed
from shortstack.registry import Kind, Registry


def with_overrides(
    tables: Mapping[str, Any], overrides: Iterable[str], registry: Registry | None = None
) -> dict[str, Any]:
    """Return the tables of a run with values set as on the command line, each read by the type of its setting.

    Which plugins the run names is read first, for an override may name another.

    Args:
        tables: The tables.
        overrides: ``"table.setting=value"``, as for ``shortstack.config.overrides.overridden``.
        registry: The plugins; by default those of the environment, which are loaded if settings of one are given.

    Raises:
        ConfigurationError: A setting is wrong, or there is no plugin of the name whose settings are given.
        PluginError: That plugin is broken.
    """
    given = list(overrides)
    if not given:
        return dict(tables)
    named = RunConfig.from_mapping(changed(tables, given))
    return changed(tables, given, settings_classes(named, registry))


def settings_classes(run: RunConfig, registry: Registry | None = None) -> Classes:
    """Return the classes of the settings in the tables of a run.

    Args:
        run: The run, whose names say who reads the settings in its tables.
        registry: The plugins; by default those of the environment, which are loaded once a class of theirs is needed.
    """
    from shortstack.distillation.weighted_losses import named_losses
    from shortstack.selection.selector import STRATEGIES
    from shortstack.tasks import built_in_tasks

    plugins = cache(lambda: registry or Registry.from_environment())

    def brought_by(kind: Kind, name: str) -> Callable[[], type]:
        return lambda: plugins().find(kind, name).descriptor.config

    losses = named_losses(run.distillation.losses)
    return {
        (): lambda: RunConfig,
        ("data", "settings"): brought_by("dataset", run.data.adapter),
        ("task", "settings"): lambda: named_class("task", run.task.name, built_in_tasks()),
        **{("importance", "settings", name): brought_by("scorer", name) for name in run.importance.scorers},
        ("selection", "settings"): lambda: named_class("strategy", run.selection.strategy, STRATEGIES),
        ("student", "settings"): brought_by("student", run.student.architecture),
        **{("distillation", "losses", name): brought_by("loss", loss) for name, loss in losses.items()},
        ("distillation", "balancing"): lambda: _balancing(run.distillation.balancing),
    }


def _balancing(given: object) -> type | None:
    """Return the class of a balancing's settings; None if it is no built-in, for no other takes settings."""
    from shortstack.distillation.balancing import BALANCINGS

    name = given.get("name") if isinstance(given, Mapping) else given
    return BALANCINGS.get(str(name))
