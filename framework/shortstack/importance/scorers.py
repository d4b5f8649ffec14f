"""Scorers: built from the requested names and settings, and run in the order of their dependencies."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from math import isfinite
from typing import Any

import attrs
import torch
from torch import Tensor

from shortstack.boundaries import refuse_text
from shortstack.config.given import Given, name_of
from shortstack.contracts import DerivedScorer, FoldScorer, Importance, Probe, ProbeScorer, ScorerDescriptor, Signal
from shortstack.errors import ConfigurationError, EmptyDataError, NonFiniteError, PluginError
from shortstack.importance.guarded_calls import GuardedCalls
from shortstack.importance.sweep import Swept
from shortstack.registry import Registry
from shortstack.registry.isolation import plugin_errors, written_in
from shortstack.registry.validation import PROTOCOLS

Accept = Callable[[str, Importance, int], None]
"""``(scorer, importance, layers)``: raises if the importance is invalid."""


@attrs.frozen(kw_only=True, eq=False)
class Scorers:
    """The requested scorers and their dependencies.

    Attributes:
        requested: Names in the order of the request.
        built: Every scorer by name.
        components: Description of each scorer for messages.
    """

    requested: tuple[str, ...]
    built: Mapping[str, Any]
    components: Mapping[str, str]

    @classmethod
    def of(cls, requested: Sequence[object] | Mapping[str, object], registry: Registry | None) -> "Scorers":
        """Build the requested scorers and their dependencies.

        Args:
            requested: Names, scorer objects, or what ``@scorer`` makes; or a mapping of names to settings or to these.
            registry: Registry of the names; every installed plugin by default.

        Raises:
            ConfigurationError: A name or a setting is invalid, or scorers depend on each other in a cycle.
            PluginError: A plugin did not build a scorer.
        """
        wanted = dict(requested) if isinstance(requested, Mapping) else _listed(requested)
        built, components = _build(wanted, registry)
        scorers = cls(requested=tuple(wanted), built=built, components=components)
        scorers.in_order()  # raises for a cycle now, before the model runs
        return scorers

    @property
    def folds(self) -> dict[str, FoldScorer[Any]]:
        """Scorers that are fed by one sweep."""
        return {name: scorer for name, scorer in self.built.items() if isinstance(scorer, FoldScorer)}

    @property
    def probes(self) -> dict[str, ProbeScorer]:
        """Scorers that run the model themselves."""
        return {name: scorer for name, scorer in self.built.items() if isinstance(scorer, ProbeScorer)}

    def in_order(self) -> list[tuple[str, Any]]:
        """Return all scorers, each after its dependencies.

        Raises:
            ConfigurationError: Scorers depend on each other in a cycle.
        """
        order = [*self.folds.items(), *self.probes.items()]
        waiting = {name: scorer for name, scorer in self.built.items() if name not in dict(order)}
        while waiting:
            ready = [name for name, scorer in waiting.items() if set(scorer.needs_scores) <= dict(order).keys()]
            if not ready:
                raise ConfigurationError(f"scorers {', '.join(sorted(waiting))} need each other in a circle")
            order += [(name, waiting.pop(name)) for name in ready]
        return order

    def answers(
        self, swept: Swept, probe: Probe, layers: int, calls: GuardedCalls, accept: Accept
    ) -> dict[str, Importance]:
        """Return the importance by every requested scorer.

        Args:
            swept: Final states of the fold scorers.
            probe: Probe for the other scorers.
            layers: Number of the model's layers.
            calls: Guarded calls of the scorers.
            accept: Check of each result.

        Raises:
            EmptyDataError: A scorer had no examples, or none with a label.
            PluginError: A scorer failed or returned no scores.
        """

        def accepted(name: str, ask: Callable[[], Importance]) -> Importance:
            def answer() -> Importance:  # with the checks, so that their errors name the scorer too
                importance = ask()
                _require_importance(name, importance)
                accept(name, importance, layers)
                return importance

            return calls.to(name, answer)

        for name, fold in self.folds.items():
            _require_data(name, fold, swept)
        results = {name: accepted(name, partial(s.finish, swept.states[name])) for name, s in self.folds.items()}
        results |= {name: accepted(name, partial(scorer.measure, probe)) for name, scorer in self.probes.items()}
        for name, scorer in self.in_order()[len(results) :]:
            results[name] = accepted(name, partial(scorer.combine, _named(results, scorer.needs_scores), probe))
        return {name: results[name] for name in self.requested}


def require_sound(name: str, importance: Importance, layers: int) -> None:
    """Raise unless there is one finite float64 score per layer.

    Raises:
        PluginError: The dtype or the shape is wrong.
        NonFiniteError: A score is NaN or infinite.
    """
    scores = importance.scores
    if scores.dtype != torch.float64 or tuple(scores.shape) != (layers,):
        raise PluginError(
            f"scorer {name!r} gave scores of type {scores.dtype} and shape {tuple(scores.shape)}; "
            f"it must give float64 of shape ({layers},)"
        )
    bad = (~scores.isfinite()).nonzero()
    if len(bad):
        layer = int(bad[0])
        raise NonFiniteError(f"scorer {name!r} gave {scores[layer].item()} for layer {layer}")


def _listed(scorers: Sequence[object]) -> dict[str, object]:
    """Return the listed scorers by name: None for a name, and an object under its own name."""
    refuse_text("scorers", scorers)
    listed: dict[str, object] = {}
    for scorer in scorers:
        name, value = (scorer, None) if isinstance(scorer, str) else (name_of(scorer), scorer)
        if listed.setdefault(name, value) is not value:
            raise ConfigurationError(f"two scorers are called {name!r}; give them as a mapping {{name: scorer}}")
    return listed


def _build(requested: Mapping[str, object], registry: Registry | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return every requested scorer and dependency, and the description of each for messages."""
    built, components = dict[str, Any](), dict[str, str]()
    waiting = dict(requested)
    while waiting:
        name, settings = next(iter(waiting.items()))
        del waiting[name]
        if isinstance(settings, PROTOCOLS["scorer"]):
            scorer, component = settings, f"importance scorer {name!r} ({written_in(settings)})"
        else:
            registry = registry or Registry.from_environment()
            is_object = callable(settings) or isinstance(settings, ScorerDescriptor)
            named = Given.of(settings, name=name) if is_object else name
            scorer = registry.build("scorer", named, None if is_object else settings)
            component = str(registry.find("scorer", named))
        with plugin_errors(component):
            _require_needs(name, scorer)
        built[name], components[name] = scorer, component
        if isinstance(scorer, DerivedScorer):
            waiting |= {n: None for n in scorer.needs_scores if n not in built and n not in waiting}
    return built, components


def _require_needs(name: str, scorer: object) -> None:
    if isinstance(scorer, FoldScorer) and not _is_all(scorer.needs, AbstractSet, Signal):
        raise PluginError(f"scorer {name!r} needs {scorer.needs!r:.80}, which is no set of shortstack.contracts.Signal")
    if isinstance(scorer, DerivedScorer) and not _is_all(scorer.needs_scores, tuple, str):
        raise PluginError(f"scorer {name!r} needs the scores {scorer.needs_scores!r:.80}, which is no tuple of names")


def _is_all(value: Any, container: type[Any], member: type) -> bool:
    return isinstance(value, container) and all(isinstance(item, member) for item in value)


def _require_data(name: str, scorer: FoldScorer[Any], swept: Swept) -> None:
    if scorer.needs and not swept.examples:
        raise EmptyDataError(f"scorer {name!r} has no calibration examples; give at least one batch with a token")
    if scorer.needs & {Signal.GRADIENTS, Signal.PARAMETER_GRADIENTS} and not swept.supervised:
        raise EmptyDataError(
            f"scorer {name!r} needs labels, but none of the {swept.examples} calibration examples has one"
        )


def _require_importance(name: str, importance: object) -> None:
    if not isinstance(importance, Importance) or not isinstance(importance.scores, Tensor):
        raise PluginError(
            f"scorer {name!r} gave {importance!r:.80}; it must give an Importance whose scores are a tensor"
        )
    if not isinstance(importance.examples, int) or isinstance(importance.examples, bool):
        raise PluginError(f"scorer {name!r} counted {importance.examples!r:.80} examples; a count is an int")
    details: Any = importance.details
    if not isinstance(details, Mapping) or not all(_is_detail(item) for item in details.items()):
        raise PluginError(f"scorer {name!r} gave the details {details!r:.80}; details are finite numbers by name")


def _is_detail(item: tuple[object, object]) -> bool:
    name, value = item
    return isinstance(name, str) and isinstance(value, int | float) and isfinite(value)


def _named(importances: Mapping[str, Importance], names: Iterable[str]) -> dict[str, Importance]:
    """Return copies of the named results only: changes in place must not reach the results of other scorers."""
    return {
        name: attrs.evolve(
            importances[name], scores=importances[name].scores.clone(), details=dict(importances[name].details)
        )
        for name in names
    }
