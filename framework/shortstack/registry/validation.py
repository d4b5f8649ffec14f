"""Checks that a component has all members of its protocol, so that a typo is reported in one line."""

from collections.abc import Mapping
from typing import Any, Final

from shortstack.contracts import (
    DatasetAdapter,
    DerivedScorer,
    DistillationLoss,
    FoldScorer,
    ProbeScorer,
    StudentArchitecture,
)
from shortstack.errors import PluginError

PROTOCOLS: Final[Mapping[str, tuple[type, ...]]] = {
    "scorer": (FoldScorer, ProbeScorer, DerivedScorer),
    "student": (StudentArchitecture,),
    "dataset": (DatasetAdapter,),
    "loss": (DistillationLoss,),
}
"""Protocols of each kind; a component must implement one of them."""


def require_protocol(kind: str, component: object) -> None:
    """Raise unless a component implements one of its kind's protocols.

    Raises:
        PluginError: It does not; the message lists what it lacks of the nearest protocol. A class is refused.
    """
    forms = PROTOCOLS[kind]
    if isinstance(component, type):
        raise PluginError(f"this {kind} is the class {component.__name__}; its build must give an object of it")
    if not isinstance(component, forms):
        nearest = min(forms, key=lambda form: len(_missing(form, component)))
        raise PluginError(
            f"this {kind} is a {type(component).__name__}, which lacks {' and '.join(_missing(nearest, component))}; "
            f"a {' or a '.join(form.__name__ for form in forms)} of shortstack.contracts is needed"
        )


def _missing(form: Any, component: object) -> list[str]:
    members = [*form.__annotations__, *(name for name in vars(form) if not name.startswith("_") or name == "__call__")]
    return [name for name in members if not hasattr(component, name)]
