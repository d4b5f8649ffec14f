"""Calls of scorers that attribute errors to them, and check that they do not modify the model."""

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
    """Guarded calls of the scorers in one measurement."""

    def __init__(self, components: Mapping[str, str], model: PreTrainedModel | None = None) -> None:
        """Take a full snapshot of the model, and a quick one for the check of each call.

        Args:
            components: Description of each scorer for messages, by its name.
            model: The model that scorers must not modify; None to skip the check.
        """
        self._culprits = components
        self._whole = None if model is None else ModelSnapshot.of(model)
        self._before = self._whole and self._whole.at_a_glance()
        self._updated: set[str] = set()

    def to(self, name: str, call: Callable[[], T]) -> T:
        """Return the result of a scorer's call outside a sweep.

        Raises:
            PluginError: The scorer failed, or changed the model.
        """
        component = self._culprits[name]
        with _watched(self._before, component), plugin_errors(component):
            return call()

    def update(self, name: str, signals: Signals, call: Callable[[], T]) -> T:
        """Return the result of a scorer's ``update`` in a sweep; the model is checked after each scorer's first one.

        Raises:
            PluginError: The scorer failed, or changed the model or its signals.
        """
        component, versions = self._culprits[name], signals.versions()
        # once per scorer, so that the cost does not grow with the number of batches
        before = None if self._before is None or name in self._updated else self._before
        self._updated.add(name)
        with _watched(before, component), plugin_errors(component):
            answer = call()
        if self._before is not None and signals.versions() != versions:
            raise PluginError(f"{component} changed its signals in place, which others read too; make a copy first")
        return answer

    def sweep(self, names: Iterable[str]) -> AbstractContextManager[None]:
        """Check the model after a whole sweep, since a scorer may modify it after its first update.

        Raises:
            PluginError: A scorer modified the model.
        """
        return _watched(self._before, " or ".join(self._culprits[name] for name in names))

    def all(self) -> AbstractContextManager[None]:
        """Check the model after the whole measurement, by checksums, which see writes that version counters miss.

        Raises:
            PluginError: A scorer modified the model.
        """
        return _watched(self._whole, " or ".join(self._culprits.values()))


def _watched(before: ModelSnapshot | None, component: str) -> AbstractContextManager[None]:
    return nullcontext() if before is None else assert_unmodified(before, component)
