"""The four hooks. A plugin module implements any of them, without arguments, and yields descriptors."""

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
    """Yield importance scorers: how much does each layer matter?"""
    return ()


@hookspec
def shortstack_students() -> "Iterable[StudentDescriptor]":
    """Yield student architectures: what does the small model look like?"""
    return ()


@hookspec
def shortstack_datasets() -> "Iterable[DatasetDescriptor]":
    """Yield dataset adapters: how is a source read?"""
    return ()


@hookspec
def shortstack_losses() -> "Iterable[LossDescriptor]":
    """Yield distillation losses: what does the student learn from the teacher?"""
    return ()
