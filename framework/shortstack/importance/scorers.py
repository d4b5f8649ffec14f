"""Scorers: built from what was asked for, and asked what they found."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from math import isfinite
from typing import Any

import attrs
import torch
from torch import Tensor

from shortstack.contracts import DerivedScorer, FoldScorer, Importance, Probe, ProbeScorer, Signal
from shortstack.errors import ConfigurationError, EmptyDataError, NonFiniteError, PluginError
from shortstack.importance.guarded_calls import GuardedCalls
from shortstack.importance.sweep import Swept
from shortstack.registry import Registry
from shortstack.registry.isolation import plugin_errors, written_in
from shortstack.registry.validation import PROTOCOLS

Accept = Callable[[str, Importance, int], None]
"""``(scorer, importance, layers)``: raises if the importance is of no use."""


@attrs.frozen(kw_only=True, eq=False)
class Scorers:
    """The scorers that were asked for, and those that they are made from.

    Attributes:
        asked: Names, in the order in which they were asked for.
        built: Every scorer by name.
        components: Who each of them is, in words.
    """

    asked: tuple[str, ...]
    built: Mapping[str, Any]
    components: Mapping[str, str]

    @classmethod
    def of(cls, asked: Sequence[str] | Mapping[str, object], registry: Registry | None) -> "Scorers":
        """Build them.

        Args:
            asked: Names; or names to settings, where a value may also be a scorer itself.
            registry: Where names are looked up; every installed plugin by default.

        Raises:
            ConfigurationError: A name or a setting is wrong, or scorers need each other in a circle.
            PluginError: A plugin built no scorer.
        """
        wanted = dict(asked) if isinstance(asked, Mapping) else dict.fromkeys(_listed(asked))
        built, components = _build(wanted, registry)
        scorers = cls(asked=tuple(wanted), built=built, components=components)
        scorers.in_order()
        return scorers

    @property
    def folds(self) -> dict[str, FoldScorer[Any]]:
        """Those that one sweep feeds."""
        return {name: scorer for name, scorer in self.built.items() if isinstance(scorer, FoldScorer)}

    @property
    def probes(self) -> dict[str, ProbeScorer]:
        """Those that run the model themselves."""
        return {name: scorer for name, scorer in self.built.items() if isinstance(scorer, ProbeScorer)}

    def in_order(self) -> list[tuple[str, Any]]:
        """All of them, each after those that it is made from.

        Raises:
            ConfigurationError: They need each other in a circle.
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
        """What every scorer that was asked for says.

        Args:
            swept: Where the sweep of the folds ended.
            probe: For the others.
            layers: How many layers the model has.
            calls: How scorers are called.
            accept: What is required of each answer.

        Raises:
            EmptyDataError: A scorer had no examples, or none with a label.
            PluginError: A scorer failed or gave no scores.
        """

        def accepted(name: str, ask: Callable[[], Importance]) -> Importance:
            def answer() -> Importance:
                importance = ask()
                _require_importance(name, importance)
                accept(name, importance, layers)
                return importance

            return calls.to(name, answer)

        for name, fold in self.folds.items():
            _require_data(name, fold, swept)
        found = {name: accepted(name, partial(s.finish, swept.states[name])) for name, s in self.folds.items()}
        found |= {name: accepted(name, partial(scorer.measure, probe)) for name, scorer in self.probes.items()}
        for name, scorer in self.in_order()[len(found) :]:
            found[name] = accepted(name, partial(scorer.combine, _named(found, scorer.needs_scores), probe))
        return {name: found[name] for name in self.asked}


def require_sound(name: str, importance: Importance, layers: int) -> None:
    """It must be one finite float64 a layer.

    Raises:
        PluginError: The type or the shape is another.
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


def _listed(scorers: Sequence[str]) -> Sequence[str]:
    if isinstance(scorers, str):
        raise ConfigurationError(f"scorers takes a list of names, got the text {scorers!r}; write ({scorers!r},)")
    return scorers


def _build(asked: Mapping[str, object], registry: Registry | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Every scorer asked for, and every scorer that those are made from; and who each of them is."""
    built, components = dict[str, Any](), dict[str, str]()
    waiting = dict(asked)
    while waiting:
        name, settings = next(iter(waiting.items()))
        del waiting[name]
        if isinstance(settings, PROTOCOLS["scorer"]):
            scorer, component = settings, f"importance scorer {name!r} ({written_in(settings)})"
        else:
            registry = registry or Registry.from_environment()
            scorer, component = registry.build("scorer", name, settings), str(registry.find("scorer", name))
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


def _named(found: Mapping[str, Importance], names: Iterable[str]) -> dict[str, Importance]:
    """What a scorer named, and no more; copies, for what it does in place must not change what others said."""
    return {
        name: attrs.evolve(found[name], scores=found[name].scores.clone(), details=dict(found[name].details))
        for name in names
    }
