"""Custom metrics: functions from a model's results to one number per case.

The names of the parameters without a default decide what a metric reads, and so the task that it is for:

- ``ranks``: the target's rank in the catalogue, float64 ``(cases,)``, from 1 (tasks that rank the catalogue);
- ``scores, targets``: tensors ``(cases, items)``, −inf where an item is no candidate, and int64 ``(cases,)`` (the same);
- ``scores, clicked``: arrays ``(shown,)`` of one impression, which gives one number (the task ``click``);
- ``predicted, actual``: arrays ``(cases,)`` of ratings (the task ``rating``).

Further parameters have defaults, which stay. A case that does not count has NaN.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np

from shortstack.config.given import Given
from shortstack.config.resolve import attribute_named
from shortstack.contracts.headlines import METRICS
from shortstack.errors import ConfigurationError
from shortstack.evaluation.bootstrap import Values
from shortstack.registry.isolation import defined_in, plugin_errors

RANKS: Final = ("ranks",)
SCORES: Final = ("scores", "targets")
CLICKS: Final = ("scores", "clicked")
RATINGS: Final = ("predicted", "actual")
FORMS: Final = (RANKS, SCORES, CLICKS, RATINGS)
_STARRED: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@attrs.frozen(kw_only=True)
class CustomMetric:
    """A custom metric.

    Attributes:
        name: Name in results: the function's name, with ``-`` for ``_``.
        function: Function that computes it.
        reads: What it reads, one of ``FORMS``: the names of the function's parameters without a default, in any order.
    """

    name: str
    function: Callable[..., Any]
    reads: tuple[str, ...]

    def values(self, cases: int, *given: Any) -> Values:
        """Return the metric of each case, float64 ``(cases,)``; what it is given is its own to change.

        Raises:
            PluginError: The function fails.
            ConfigurationError: It returns something else than a number a case.
        """
        values = self._numbers(*given)
        if values.shape != (cases,):
            raise ConfigurationError(
                f"the metric {self.name!r} gives one number a case, of shape ({cases},), got {values.shape}"
            )
        return values

    def value(self, *given: Any) -> float:
        """Return the metric of one case, as ``values`` does."""
        values = self._numbers(*given)
        if values.shape != ():
            raise ConfigurationError(f"the metric {self.name!r} gives one number an impression, got {values.shape}")
        return float(values)

    def _numbers(self, *given: Any) -> Values:
        copies = [one.clone() if hasattr(one, "clone") else one.copy() for one in given]
        with plugin_errors(f"metric {self.name!r} ({defined_in(self.function)})"):
            returned = _called(self.function, dict(zip(self.reads, copies, strict=True)))
            plain = returned.detach().cpu().numpy() if hasattr(returned, "detach") else returned
            if plain is None:
                raise ValueError("it returns None")
            values = np.asarray(plain, dtype=np.float64)
        if np.isinf(values).any():
            raise ConfigurationError(
                f"the metric {self.name!r} gave an infinite number, of which no mean can be made; give NaN for a case that does not count"
            )
        return values


def custom_metrics(named: Sequence[str | Given]) -> tuple[CustomMetric, ...]:
    """Return the metrics of the setting ``evaluation.metrics``.

    Raises:
        ConfigurationError: A metric cannot be imported, is not a function of such parameters, or has the name of
            another.
    """
    metrics = tuple(_metric(name) for name in named)
    names = [metric.name for metric in metrics]
    taken = next((name for name in names if names.count(name) > 1 or name.partition("@")[0] in _TAKEN), None)
    if taken is not None:
        raise ConfigurationError(
            f"two metrics are called {taken!r}; give the function another name, or an attribute name with the one to show"
        )
    return metrics


_TAKEN: Final = frozenset(name.partition("@")[0] for name in METRICS) | {"mse"}


def of_form(metrics: Sequence[CustomMetric], *forms: tuple[str, ...]) -> tuple[CustomMetric, ...]:
    """Return the metrics, or raise if one has another form than these.

    Raises:
        ConfigurationError: A metric reads something that this task does not have.
    """
    for metric in metrics:
        if metric.reads not in forms:
            allowed = " or ".join(f"({', '.join(form)})" for form in forms)
            raise ConfigurationError(
                f"the metric {metric.name!r} is a function of ({', '.join(metric.reads)}), and metrics of this task are functions "
                f"of {allowed}"
            )
    return tuple(metrics)


def _metric(named: str | Given) -> CustomMetric:
    function: Any = named.value if isinstance(named, Given) else _imported(named)
    parameters = _parameters(function)
    reads = _form(parameters)
    if reads is None:
        allowed = ", ".join(f"({', '.join(form)})" for form in FORMS)
        raise ConfigurationError(
            f"the metric {str(named)!r} must be a function with the parameters {allowed}, got ({', '.join(map(str, parameters))}); "
            "give each other parameter a default, or its value by functools.partial"
        )
    return CustomMetric(name=str(named).rpartition(":")[2].replace("_", "-"), function=function, reads=reads)


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return []


def _form(parameters: Sequence[inspect.Parameter]) -> tuple[str, ...] | None:
    """Return what a function of such parameters reads; None if that is not clear.

    A parameter called as one of what metrics read, but with a default or a star, would never be given it: that is not clear.
    """
    named = {each.name for each in parameters}
    needed = {each.name for each in parameters if each.default is each.empty and each.kind not in _STARRED}
    known = {name for form in FORMS for name in form}
    return next((form for form in FORMS if needed == {*form} and named & known == needed), None)


def _called(function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """Call a function with values by name; those that it takes by place alone, in its own order."""
    places = [
        each.name for each in _parameters(function) if each.kind is each.POSITIONAL_ONLY and each.default is each.empty
    ]
    by_name = {name: value for name, value in given.items() if name not in places}
    return function(*(given[name] for name in places), **by_name)


def _imported(name: str) -> object:
    if ":" not in name:
        raise ConfigurationError(
            f"evaluation.metrics takes metrics of your own as module:attribute, got {name!r}; the task's own are always there"
        )
    return attribute_named("metric", name)
