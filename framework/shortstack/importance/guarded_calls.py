"""How the core calls a scorer: in its name, and with an eye on what it does to the model."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from transformers import PreTrainedModel

from shortstack.errors import PluginError
from shortstack.importance.signals import Signals
from shortstack.models.snapshot import ModelSnapshot, assert_unmodified
from shortstack.registry.isolation import plugin_errors

T = TypeVar("T")


class GuardedCalls:
    """The calls of one measurement."""

    def __init__(self, components: Mapping[str, str], model: PreTrainedModel | None = None) -> None:
        """Take the model's fingerprints: one of all that it is, and one that each call can be compared with.

        Args:
            components: Who each scorer is, in words, by its name.
            model: The model that scorers must leave as it was; None to let them.
        """
        self._culprits = components
        self._whole = None if model is None else ModelSnapshot.of(model)
        self._before = self._whole and self._whole.at_a_glance()
        self._updated: set[str] = set()

    def to(self, name: str, call: Callable[[], T]) -> T:
        """What a scorer answers to a call while nothing else goes on.

        Raises:
            PluginError: The scorer failed, or changed the model.
        """
        component = self._culprits[name]
        with _watched(self._before, component), plugin_errors(component):
            return call()

    def update(self, name: str, signals: Signals, call: Callable[[], T]) -> T:
        """What it answers to one in the middle of a sweep; the model is looked at after each scorer's first.

        Raises:
            PluginError: The scorer failed, or changed the model or its signals.
        """
        component, versions = self._culprits[name], signals.versions()
        before = None if self._before is None or name in self._updated else self._before
        self._updated.add(name)
        with _watched(before, component), plugin_errors(component):
            answer = call()
        if self._before is not None and signals.versions() != versions:
            raise PluginError(f"{component} changed its signals in place, which others read too; make a copy first")
        return answer

    def sweep(self, names: Iterable[str]) -> AbstractContextManager[None]:
        """For a whole sweep: any scorer may have changed the model after its first update.

        Raises:
            PluginError: One did.
        """
        return _watched(self._before, " or ".join(self._culprits[name] for name in names))

    def all(self) -> AbstractContextManager[None]:
        """For the whole measurement: weights are read once more, for what no glance can see.

        Raises:
            PluginError: Some scorer changed them.
        """
        return _watched(self._whole, " or ".join(self._culprits.values()))


def _watched(before: ModelSnapshot | None, component: str) -> AbstractContextManager[None]:
    return nullcontext() if before is None else assert_unmodified(before, component)
