"""The four plugin hooks. A plugin module implements any of them, without arguments, and yields descriptors."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from shortstack.contracts import DatasetDescriptor, LossDescriptor, ScorerDescriptor, StudentDescriptor

PROJECT = "shortstack"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def shortstack_importance_scorers() -> "Iterable[ScorerDescriptor]":
    """Yield importance scorers, which measure how much each layer matters."""
    return ()


@hookspec
def shortstack_students() -> "Iterable[StudentDescriptor]":
    """Yield student architectures, which build the small model."""
    return ()


@hookspec
def shortstack_datasets() -> "Iterable[DatasetDescriptor]":
    """Yield dataset adapters, which read sources."""
    return ()


@hookspec
def shortstack_losses() -> "Iterable[LossDescriptor]":
    """Yield distillation losses, from which the student learns."""
    return ()
